//! A container of the finished runtime whose cgroup is looked at from outside.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use model::{Cgroup, StateDir};

/// Between two looks: finer than a tick of most kernels' clocks is of no use.
const STEP: Duration = Duration::from_millis(5);

/// Seconds of wall time, and what was seen then.
pub type Point = (f64, f64);

/// A running container. Dropping it ends what runs in it; its `boxwright` removes the group.
pub struct Container {
    boxwright: Child,
    group: Cgroup,
    // Open for as long as the container runs: a script that prints more is not to end by SIGPIPE.
    _stdout: BufReader<ChildStdout>,
}

impl Container {
    /// Starts `script` in a shell as PID 1, with `limits`, flags of `boxwright run`, and returns when it runs.
    pub fn start(boxwright: &Path, limits: &[&str], script: &str) -> Result<Self> {
        let states = StateDir::open(&states()).context("the state of containers")?;
        let name = testkit::random_name("boxwright-plot");
        // PID 1 has no default actions: without the trap, Ctrl-C would end everybody but it.
        let script = format!("trap exit INT TERM; echo ready; {script}");
        let mut boxwright = Command::new(boxwright)
            .args(["run", "--rootfs", "host", "--name", &name])
            .args(limits)
            .args(["--", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", boxwright.display()))?;
        let mut stdout = BufReader::new(boxwright.stdout.take().context("the container has no output")?);
        let mut ready = String::new();
        stdout.read_line(&mut ready)?;
        if ready.is_empty() {
            let mut complaint = String::new();
            boxwright.stderr.take().map_or(Ok(0), |mut stderr| stderr.read_to_string(&mut complaint))?;
            boxwright.wait()?;
            bail!("{}", complaint.trim());
        }
        let group = states.running_cgroup(&name)?;
        Ok(Container { boxwright, group, _stdout: stdout })
    }

    /// A knob of its group, as a number.
    pub fn number(&self, knob: &str) -> Result<f64> {
        let text = self.group.read(knob)?;
        text.trim().parse().with_context(|| format!("{knob}: {text:?}"))
    }

    /// A line `FIELD NUMBER` of a knob of its group; 0 when there is none.
    pub fn field(&self, knob: &str, field: &str) -> Result<f64> {
        let text = self.group.read(knob)?;
        let number = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(' ')?.trim().parse().ok());
        Ok(number.unwrap_or(0.0))
    }

    /// Its group.
    pub fn group(&self) -> &Cgroup {
        &self.group
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What does not work here, `cargo lab clean` finds.
        let _ = self.group.kill();
        let _ = self.boxwright.wait();
    }
}

/// Where the reference keeps the state of containers.
pub fn states() -> std::path::PathBuf {
    std::env::var_os("BOXWRIGHT_ROOT").map_or_else(StateDir::default_root, Into::into)
}

/// Looks again and again, for `length`: each look gives one value for each line that is to be drawn.
pub fn watch<const N: usize>(length: Duration, look: impl Fn() -> Result<[f64; N]>) -> Result<[Vec<Point>; N]> {
    let mut lines = [const { Vec::new() }; N];
    let start = Instant::now();
    loop {
        let values = look()?;
        // After the look: one that had to wait for a processor is not drawn too early.
        let now = start.elapsed();
        for (line, value) in lines.iter_mut().zip(values) {
            line.push((now.as_secs_f64(), value));
        }
        if now >= length {
            return Ok(lines);
        }
        sleep(STEP);
    }
}
