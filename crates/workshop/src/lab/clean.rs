//! `cargo lab clean`: removes what an interrupted run left, by name, and only what is ours.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use model::{Cgroup, During, StateDir};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, geteuid};

use super::paint::{DIM, GOOD, WARN};
use crate::course::Course;

/// Sweeps containers whose boxwright is gone, directories of killed shields, and cgroups of killed tests.
///
/// # Errors
/// The state of the containers cannot be read. What cannot be removed is told, and does not stop the rest.
pub fn run(course: &Course) -> Result<()> {
    let removed = containers()? + shields(&course.root) + cgroups(Path::new("/sys/fs/cgroup"));
    if removed == 0 {
        anstream::println!("{GOOD}clean{GOOD:#}: nothing was left behind");
    }
    Ok(())
}

fn containers() -> Result<usize> {
    let root = env::var_os("BOXWRIGHT_ROOT").map_or_else(StateDir::default_root, PathBuf::from);
    if !root.is_dir() {
        return Ok(0);
    }
    let swept = StateDir::open(&root)?.sweep(remove_group, leave)?;
    for name in &swept {
        anstream::println!("{GOOD}removed{GOOD:#}: container {name}, whose boxwright was killed");
    }
    Ok(swept.len())
}

/// The group of a killed container, with what runs in it. Not lab 07's: here nothing of the learner's runs.
fn remove_group(group: &Cgroup) -> model::Result<()> {
    group.kill()?;
    group.parts().iter().try_for_each(|part| {
        let mut result = Ok(());
        // A killed process leaves its group when it has ended: two seconds in all.
        for _ in 0..400 {
            result = remove_groups(part.path());
            match &result {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => sleep(Duration::from_millis(5)),
                _ => break,
            }
        }
        result.during("rmdir", part.path().display())
    })
}

/// What belongs to the ids of a user namespace takes lab 09 to remove, and nothing of the learner's runs here.
fn leave(directory: &Path) -> model::Result<()> {
    let what = format!("{} (files of other ids are in it: `boxwright ps` removes them)", directory.display());
    Err(Errno::EACCES).during("remove", what)
}

/// Directories of shields, unless a test of this course is running: they do not say whose they are.
fn shields(root: &Path) -> usize {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let places = [target.join("tmp"), env::temp_dir().join(format!("boxwright-shield-{}", geteuid()))];
    let left: Vec<_> = places.iter().flat_map(|place| named(place, "shield-")).collect();
    if !left.is_empty() && runs_from(&target) {
        anstream::println!("{DIM}tests are running: their directories are left alone{DIM:#}");
        return 0;
    }
    left.iter().filter(|path| tell(path, testkit::remove_tree(path))).count()
}

/// Whether a program below `target/*/deps` runs, where cargo puts test programs and nothing else that is started.
fn runs_from(target: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut programs = processes.filter_map(|process| fs::read_link(process.path().join("exe")).ok());
    programs.any(|program| program.starts_with(target) && program.components().any(|part| part.as_os_str() == "deps"))
}

/// Groups `boxwright-test-PID-N` whose process PID is gone and that nobody is in, wherever below `directory`.
fn cgroups(directory: &Path) -> usize {
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().filter(is_directory);
    let mut removed = 0;
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(testkit::CGROUP_PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        removed += match owner {
            Some(pid) if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) => {
                usize::from(tell(&path, remove_groups(&path)))
            }
            Some(_) => 0,
            None => cgroups(&path),
        };
    }
    removed
}

/// From the leaves up. The kernel refuses a group with a process in it, so nothing that runs is touched.
fn remove_groups(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_groups(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

/// The entries of `directory` whose name starts with `prefix`.
fn named(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()).collect()
}

/// Says what became of `path`; whether it is gone.
fn tell(path: &Path, removal: io::Result<()>) -> bool {
    match &removal {
        Ok(()) => anstream::println!("{GOOD}removed{GOOD:#}: {}", path.display()),
        Err(error) => anstream::println!("{WARN}left{WARN:#}: {}: {error}", path.display()),
    }
    removal.is_ok()
}
