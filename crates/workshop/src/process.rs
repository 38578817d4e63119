//! A program run to its end or to a deadline, whatever its children do.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// `None`: it was still running at the deadline, and it and every process below it were killed.
    pub status: Option<ExitStatus>,
    /// What it wrote to standard output, with anything that is not UTF-8 replaced.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Wall-clock time.
    pub took: Duration,
}

/// Runs `command` with nothing on standard input. It stays in our process group, so that Ctrl-C ends it too.
///
/// # Errors
/// It cannot be started.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    // Files, not pipes: a pipe has no end as long as a forgotten grandchild holds it.
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).spawn()?;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if start.elapsed() >= limit => {
                // Found before it dies, for then they are somebody else's children.
                let family = descendants(Pid::from_raw(child.id().cast_signed()));
                child.kill()?;
                family.iter().for_each(|(pid, _)| end(*pid));
                child.wait()?;
                break None;
            }
            None => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(10));
    };
    Ok(Finished { status, stdout: text(stdout)?, stderr: text(stderr)?, took: start.elapsed() })
}

/// Kills `pid`; one that is gone in the meantime is as good.
pub(crate) fn end(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
}

/// Every process below `ancestor`, with its name.
pub(crate) fn descendants(ancestor: Pid) -> Vec<(Pid, String)> {
    let mut family = vec![(ancestor, String::new())];
    let mut next = 0;
    while let Some((parent, _)) = family.get(next) {
        // A thread that has ended in the meantime has no children any more.
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            for pid in fs::read_to_string(task.path().join("children")).unwrap_or_default().split_whitespace() {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                family.extend(pid.parse().map(|pid| (Pid::from_raw(pid), name.trim().to_owned())));
            }
        }
        next += 1;
    }
    family.split_off(1)
}

fn text(mut file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit_ms: u64) -> Finished {
        run(Command::new("sh").args(["-c", script]), Duration::from_millis(limit_ms)).unwrap()
    }

    #[test]
    fn both_outputs_and_the_status_come_back() {
        let finished = sh("echo out; echo err >&2; exit 3", 10_000);
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.status.unwrap().code(), Some(3));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let finished = sh("setsid sleep 600 & echo $!; sleep 600", 300);
        assert_eq!(finished.status, None);
        let child = Pid::from_raw(finished.stdout.trim().parse().unwrap());
        // Killed, it is a zombie until its new parent looks: poll.
        let state = || fs::read_to_string(format!("/proc/{child}/stat"));
        let is_gone = || state().map_or(true, |stat| stat.contains(") Z "));
        assert!((0..200).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_gone()
        }));
    }

    #[test]
    fn a_grandchild_that_holds_the_output_open_does_not_hold_us() {
        let finished = sh("sleep 60 & echo $!", 30_000);
        let grandchild = Pid::from_raw(finished.stdout.trim().parse().unwrap());
        // Not left to whoever looks at what tests leave.
        kill(grandchild, Signal::SIGKILL).unwrap();
        assert!(finished.took < Duration::from_secs(30));
    }
}
