//! The whole machine before and after a command: a difference is a fault.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};

use super::host;
use crate::course::Course;

/// Runs `command` and tells what is other than before: what [`host::snapshot`] sees, cgroups, temporary files.
///
/// # Errors
/// The command is missing or fails.
pub fn audit(course: &Course, command: &[String]) -> Result<Vec<String>> {
    let [program, arguments @ ..] = command else { bail!("a command to run, after --") };
    let (host, kept) = (host::snapshot()?, kept(course));
    let status = process::Command::new(program).args(arguments).status().with_context(|| format!("run {program}"))?;
    let mut findings = host::difference(&host)?;
    findings.extend(self::kept(course).difference(&kept).map(|path| format!("+ {}", path.display())));
    if !status.success() {
        bail!("{program}: {status}, and left: {findings:?}");
    }
    Ok(findings)
}

/// What stays until somebody removes it: every cgroup, and what lies in the places for temporary files.
fn kept(course: &Course) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    cgroups(Path::new("/sys/fs/cgroup"), &mut found);
    for place in ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/boxwright"] {
        found.extend(entries(Path::new(place)));
    }
    // The mount point of every shield stays, and is empty.
    found.extend(entries(&course.root.join("target/tmp")).filter(|path| !path.ends_with("shield")));
    found
}

fn cgroups(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for path in entries(directory).filter(|path| path.is_dir() && !path.is_symlink()) {
        cgroups(&path, found);
        found.insert(path);
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}
