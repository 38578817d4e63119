//! `cargo lab demo`: a real container of the finished runtime, seen by itself and by the host.
//!
//! Nothing here is written down beforehand: the left column is what a process in the container printed, the
//! right one what `/proc` says of this machine, and of that same process, at the same moment.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model::StateDir;

use super::dashboard;
use super::paint::{BOLD, DIM, GOOD, WARN};
use crate::course::Course;
use crate::libtest::{Build, Cargo};

/// What the container runs: it tells what it sees, and stays until its standard input ends.
const REPORT: &str = "
echo '== pid';        echo $$
echo '== user';       id -u
echo '== hostname';   cat /proc/sys/kernel/hostname
echo '== processes';  ps -e -o pid= -o comm=
echo '== mounts';     cat /proc/self/mounts
echo '== root';       ls /
echo '== namespaces'; for name in cgroup ipc mnt net pid user uts; do echo $name $(readlink /proc/$$/ns/$name); done
echo '== end';        read nothing || true
";
const HOSTNAME: &str = "box";
const COLUMN: usize = 40;

/// Sections of a report, by name.
type Report = BTreeMap<String, Vec<String>>;

/// Builds the reference, shows a container of it from both sides, then the learner's dashboard.
///
/// # Errors
/// The reference does not build, or the container does not start.
pub fn run(course: &Course) -> Result<bool> {
    let boxwright = build(&course.root)?;
    let name = format!("demo-{}", std::process::id());
    let arguments = ["run", "-i", "--rootfs", "host", "--hostname", HOSTNAME, "--name", &name, "--", "sh", "-c"];
    anstream::println!("{DIM}$ boxwright {} '…'{DIM:#}\n", arguments.join(" "));
    let start = Instant::now();
    let mut container = Command::new(&boxwright)
        .args(arguments)
        .arg(REPORT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", boxwright.display()))?;
    let inside = report(&mut container)?;
    let took = start.elapsed();
    let shown = inside.map(|inside| show(&inside, &name));
    // Its shell reads the end of its input, and the container ends.
    drop(container.stdin.take());
    let mut complaint = String::new();
    container.stderr.take().map_or(Ok(0), |mut stderr| stderr.read_to_string(&mut complaint))?;
    let status = container.wait()?;
    let Some(shown) = shown.filter(|_| status.success()) else {
        anstream::eprintln!("{}", complaint.trim());
        bail!("the container did not start ({status}); `cargo lab doctor` says what this machine lacks");
    };
    shown?;
    anstream::println!(
        "\n{DIM}All of it real: the root file system was made of this machine's programs, and the container was up and \
         had\nreported after {} ms. You will write the code that did it.{DIM:#}\n",
        took.as_millis()
    );
    dashboard::run(course, false)?;
    Ok(true)
}

/// The finished runtime, in a target directory of its own: `target/debug/boxwright` is the learner's.
pub fn reference(root: &Path) -> Cargo {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target_dir = root.join(target).join("reference");
    if !target_dir.exists() {
        anstream::eprintln!("{DIM}building the finished runtime, once…{DIM:#}");
    }
    Cargo { solutions: true, color: true, target_dir: Some(target_dir), ..Cargo::new(root) }
}

/// Builds it.
///
/// # Errors
/// It does not build.
pub fn build(root: &Path) -> Result<PathBuf> {
    match reference(root).build_bin("boxwright")? {
        Build::Ready { program, .. } => Ok(program),
        Build::Failed { rendered } => {
            anstream::eprintln!("{}", rendered.trim());
            bail!("the reference does not build here; have you changed something outside of labs/? `git status` tells")
        }
    }
}

/// What the container prints, up to its last section; `None` when it ends before.
fn report(container: &mut Child) -> Result<Option<Report>> {
    let stdout = container.stdout.take().context("the container has no output")?;
    let mut report = Report::new();
    let mut section = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match line.strip_prefix("== ") {
            Some("end") => return Ok(Some(report)),
            Some(name) => section = name.to_owned(),
            None => report.entry(section.clone()).or_default().push(line.trim().to_owned()),
        }
    }
    Ok(None)
}

/// The two sides, while the container runs.
fn show(inside: &Report, name: &str) -> Result<()> {
    let states = env::var_os("BOXWRIGHT_ROOT").map_or_else(StateDir::default_root, PathBuf::from);
    let pid = StateDir::open(&states)?.find(name)?.pid().as_raw();
    let of = |section: &str| inside.get(section).map(Vec::as_slice).unwrap_or_default();
    let first = |section: &str| of(section).first().cloned().unwrap_or_default();

    anstream::println!("{BOLD}{:<13}{:<COLUMN$}  on the host{BOLD:#}", "", "in the container");
    row("process", &format!("PID {}", first("pid")), &format!("PID {pid}  (NSpid: {})", status(pid, "NSpid")?));
    let uid = status(pid, "Uid")?.split(' ').next().unwrap_or_default().to_owned();
    row("user", &format!("uid {}", first("user")), &format!("uid {uid}"));
    row("hostname", &first("hostname"), fs::read_to_string("/proc/sys/kernel/hostname")?.trim());
    let all = names_in("/proc")?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).count();
    let own = of("processes");
    row("processes", &format!("{}: {}", own.len(), own.join(", ")), &format!("{all}, this one among them"));
    let points =
        |mounts: &[String]| mounts.iter().filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect();
    let (own, host): (Vec<_>, Vec<_>) = (points(of("mounts")), points(&lines("/proc/self/mounts")?));
    row("mounts", &format!("{}: {}", own.len(), own.join(" ")), &format!("{}: {}", host.len(), host.join(" ")));
    row("/", &of("root").join(" "), &names_in("/")?.join(" "));

    anstream::println!("\n{BOLD}{:<13}{:<COLUMN$}  on the host{BOLD:#}", "namespaces", "in the container");
    for line in of("namespaces") {
        let (kind, own) = line.split_once(' ').with_context(|| format!("namespaces: {line:?}"))?;
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).map(|id| id.display().to_string());
        let (outside, host) = (link(&pid.to_string())?, link("self")?);
        if own != outside {
            bail!("/proc/{pid}/ns/{kind} is {outside}, yet the container says {own}");
        }
        let (style, word) = if own == host { (WARN, shared(kind)) } else { (GOOD, "its own") };
        // Padded before it is painted: a colour has a length too.
        let padding = COLUMN.saturating_sub(own.len() + 2);
        anstream::println!("{kind:<13}{own}  {style}{word:<padding$}{style:#}  {host}");
    }
    anstream::println!("{DIM}/proc/{pid}/ns, read from the host, names the same namespaces: it is one process.{DIM:#}");
    Ok(())
}

/// A namespace that the container has in common with the host, and the lab that changes it.
fn shared(kind: &str) -> &'static str {
    match kind {
        "cgroup" => "shared (lab 08)",
        "user" => "shared (lab 09)",
        "net" => "shared (lab 14)",
        _ => "shared",
    }
}

/// A line of `/proc/PID/status`, its numbers with one space between.
fn status(pid: i32, field: &str) -> Result<String> {
    let lines = lines(&format!("/proc/{pid}/status"))?;
    let value = lines.iter().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(value.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
}

fn lines(path: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn names_in(directory: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {directory}"))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// One thing from both sides, each side broken into lines of its column.
fn row(what: &str, inside: &str, outside: &str) {
    let (inside, outside) = (wrap(inside), wrap(outside));
    for at in 0..inside.len().max(outside.len()) {
        let what = if at == 0 { what } else { "" };
        let side = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        anstream::println!("{BOLD}{what:<13}{BOLD:#}{:<COLUMN$}  {}", side(&inside), side(&outside));
    }
}

/// At most five lines; what is left over is counted.
fn wrap(text: &str) -> Vec<String> {
    const MOST: usize = 5;
    let mut lines = vec![String::new()];
    let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > COLUMN {
            if lines.len() == MOST {
                lines.push(format!("… and {} more", 1 + words.count()));
                break;
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn a_long_list_is_broken_at_words_and_cut_with_a_count() {
        assert_eq!(wrap("PID 1"), ["PID 1"]);
        let names: Vec<_> = (0..100).map(|n| format!("/mount/{n:03}")).collect();
        let lines = wrap(&names.join(" "));
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "/mount/000 /mount/001 /mount/002");
        assert_eq!(lines[5], "… and 85 more");
    }
}
