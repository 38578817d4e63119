//! The first write to a file of the image, by the size of the file.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model::StateDir;

use super::Outcome;
use super::container::{Point, states};
use super::picture::{Line, Panel, Style, axis, picture};
use super::store::{BTRFS, MB, OVERLAY, OVERLAY_ON_BTRFS, Store, VFS, Way, apart, machine};

const SIZES_MB: [u32; 6] = [1, 5, 10, 25, 50, 100];
/// The fastest counts: on a machine that has other things to do too, it is the one that tells what the work takes.
const ROUNDS: usize = 9;
const WAYS: [(&Way, Style); 4] =
    [(&OVERLAY, Style::Solid), (&VFS, Style::Quiet), (&OVERLAY_ON_BTRFS, Style::Quiet), (&BTRFS, Style::Quiet)];

/// A byte is appended to each file of a container, which nobody has written to before.
pub fn run(boxwright: &Path) -> Result<Outcome> {
    let mut all = Vec::new();
    let mut lines = Vec::new();
    for (way, _) in WAYS {
        let points = apart(|| writes(boxwright, way))?;
        let told: Vec<_> = points.iter().map(|&(size, time)| format!("{size} MB {}", ms(time))).collect();
        lines.push(format!("{:<17} {}", way.name, told.join(", ")));
        all.push(points);
    }
    Ok(Outcome { picture: draw(&all), lines })
}

/// Megabytes, and the milliseconds of the fastest round.
fn writes(boxwright: &Path, way: &Way) -> Result<Vec<Point>> {
    let store = Store::with_image(boxwright, way, &["sh"], &SIZES_MB.map(|size| u64::from(size) * MB))?;
    let mut points = SIZES_MB.map(|size| (f64::from(size), f64::INFINITY));
    for round in 0..ROUNDS {
        let name = format!("{}-{round}", way.kind);
        let container = Waiting::start(store.run(&["-i", "--rm", "--name", &name], "echo ready; read end"), &name)?;
        for (number, point) in points.iter_mut().enumerate() {
            let file = container.root.join(number.to_string());
            let start = Instant::now();
            let written = OpenOptions::new().append(true).open(&file).and_then(|mut file| file.write_all(b"x"));
            point.1 = point.1.min(start.elapsed().as_secs_f64() * 1000.0);
            written.with_context(|| format!("write {}", file.display()))?;
        }
        container.end()?;
    }
    Ok(points.to_vec())
}

/// A container that runs until its standard input ends.
struct Waiting {
    boxwright: Child,
    /// Its root, as it sees it.
    root: PathBuf,
}

impl Waiting {
    fn start(mut command: Command, name: &str) -> Result<Self> {
        let mut boxwright = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start boxwright")?;
        let mut ready = String::new();
        BufReader::new(boxwright.stdout.take().context("no output")?).read_line(&mut ready)?;
        if ready.is_empty() {
            bail!("the container did not start: {}", boxwright.wait()?);
        }
        let pid = StateDir::open(&states())?.find(name)?.pid();
        Ok(Waiting { boxwright, root: format!("/proc/{pid}/root").into() })
    }

    fn end(mut self) -> Result<()> {
        drop(self.boxwright.stdin.take());
        // What `read` says at the end of its input.
        let _ = self.boxwright.wait()?;
        Ok(())
    }
}

fn draw(all: &[Vec<Point>]) -> String {
    let most = |value: fn(&Point) -> f64| all.iter().flatten().map(value).fold(0.0, f64::max);
    let mut panel = Panel {
        title: "One byte is appended to a file of the image".to_owned(),
        x: axis(most(|point| point.0), "MB: the size of the file"),
        y: axis(most(|point| point.1), "ms for the first write"),
        lines: Vec::new(),
        marks: Vec::new(),
    };
    for ((way, style), points) in WAYS.into_iter().zip(all) {
        let label = format!("{}: {}", way.name, ms(points.last().map_or(0.0, |point| point.1)));
        panel.lines.push(Line { points: points.clone(), label, style });
    }
    let description = "Milliseconds that the first write to a file takes against the size of the file: for overlay on ext4 a \
                       straight line upwards, for a full copy, an overlay on btrfs, and a snapshot three lines at the bottom.";
    let note = format!("{}; the fastest of {ROUNDS} rounds", machine());
    picture("The first write to a file, by its size", description, &[panel], &note)
}

fn ms(time: f64) -> String {
    format!("{time:.2} ms")
}

#[cfg(test)]
mod tests {
    use super::{SIZES_MB, draw};

    #[test]
    fn each_way_has_its_line_and_its_last_figure() {
        let line = |slope: f64| SIZES_MB.map(|size| (f64::from(size), slope * f64::from(size))).to_vec();
        let svg = draw(&[line(0.7), line(0.01), line(0.001), line(0.0)]);
        for label in
            ["overlay: 70.00 ms", "vfs: 1.00 ms", "overlay on btrfs: 0.10 ms", "btrfs: 0.00 ms", "the fastest of 9"]
        {
            assert!(svg.contains(label), "{label} in\n{svg}");
        }
    }
}
