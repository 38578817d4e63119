//! What a run may leave on the machine, and must not.
//!
//! Its two functions wait for and end every orphan below this process, so nothing else may run meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::prctl;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::getpid;

use crate::process::{descendants, end};

/// How long what a run leaves may take to go away by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What there is, one line a thing, with its kind in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

/// Looks at the host name, the domain name, mounts, System V objects, links, and the processes below us.
///
/// A process whose parent is gone becomes a child of ours from the first call on, so that whatever the
/// tests leave running is seen, and nobody else's processes are.
///
/// # Errors
/// `/proc` cannot be read.
pub fn snapshot() -> Result<Snapshot> {
    prctl::set_child_subreaper(true).context("prctl PR_SET_CHILD_SUBREAPER")?;
    reap();
    let mut things = BTreeSet::new();
    let mut read = |kind: &str, path: &str, header: usize, thing: fn(&str) -> String| -> Result<()> {
        let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
        things.extend(text.lines().skip(header).map(|line| format!("{kind} {}", thing(line))));
        Ok(())
    };
    read("host name", "/proc/sys/kernel/hostname", 0, str::to_owned)?;
    read("domain name", "/proc/sys/kernel/domainname", 0, str::to_owned)?;
    // Fields: id, parent, device, root, mount point, … The ids change when a mount is made anew.
    read("mount", "/proc/self/mountinfo", 0, |line| line.split(' ').skip(2).collect::<Vec<_>>().join(" "))?;
    for kind in ["msg", "sem", "shm"] {
        // Key and id: the other columns change with use.
        let key_and_id = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        read(kind, &format!("/proc/sysvipc/{kind}"), 1, key_and_id)?;
    }
    read("link", "/proc/net/dev", 2, |line| line.split(':').next().unwrap_or_default().trim().to_owned())?;
    things.extend(descendants(getpid()).into_iter().map(|(pid, name)| format!("process {pid} {name}")));
    Ok(Snapshot(things))
}

/// What is other than in `before` and stays so: `+` what is new, `-` what is gone. Ends the processes that
/// are left, so that they are blamed once.
///
/// # Errors
/// As [`snapshot`].
pub fn difference(before: &Snapshot) -> Result<Vec<String>> {
    let start = Instant::now();
    loop {
        let after = snapshot()?;
        if after == *before || start.elapsed() > PATIENCE {
            end_descendants();
            let new = after.0.difference(&before.0).map(|thing| format!("+ {thing}"));
            let gone = before.0.difference(&after.0).map(|thing| format!("- {thing}"));
            return Ok(new.chain(gone).collect());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn end_descendants() {
    let start = Instant::now();
    loop {
        let family = descendants(getpid());
        if family.is_empty() || start.elapsed() > PATIENCE {
            return;
        }
        for (pid, _) in family {
            end(pid);
        }
        thread::sleep(Duration::from_millis(5));
        reap();
    }
}

/// Takes leave of the orphans that have ended. Called when no child of our own is awaited elsewhere.
fn reap() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
}
