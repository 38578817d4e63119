//! `cargo lab shell`: the shield that the tests run under, by hand.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::iter;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use testkit::needs::Need;
use testkit::{Failure, Shield};

use super::demo;
use super::paint::{BOLD, DIM, WARN};
use crate::cgroups;
use crate::course::Course;
use crate::libtest::{Build, Cargo};

/// Longer than any shell is open.
const NO_DEADLINE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Starts the learner's shell on a throw-away host, as root or as an ordinary user, and waits for its end. `boxwright`
/// is the learner's own there, `boxwright-reference` the finished one. What was changed of that host is told.
///
/// # Errors
/// The shield cannot be put up, or the shell cannot be started.
pub fn run(course: &Course, as_user: bool) -> Result<bool> {
    if as_user && let Some(missing) = Need::Subuid.missing() {
        bail!("an ordinary user of a throw-away host needs {missing}");
    }
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let who = if as_user { "an ordinary user of it, with subordinate ids" } else { "root in it" };
    anstream::println!(
        "{BOLD}A throw-away host.{BOLD:#} You are {who}. Its names, mounts, processes and network are its own, all \
         files\nbut those in this directory are read-only, and `exit` ends it: nothing stays. In `cgroup/` are the control \
         groups\nthat are yours to change."
    );
    let mut programs = Vec::new();
    for (name, cargo) in
        [("boxwright", Cargo::new(&course.root)), ("boxwright-reference", demo::reference(&course.root))]
    {
        match cargo.build_bin("boxwright")? {
            Build::Ready { program, .. } => programs.push((name, program)),
            Build::Failed { .. } => anstream::println!("{WARN}{name}{WARN:#} does not compile, so it is not here"),
        }
    }
    anstream::println!("{DIM}`boxwright` is yours as it is now, `boxwright-reference` the finished one{DIM:#}");
    let shield = if as_user { Shield::new().as_user() } else { Shield::new() };
    let started = shield.cgroup().deadline(NO_DEADLINE).try_run(|| start(&shell, &programs).map_err(|e| e.to_string()));
    match started {
        Ok(Ok(())) => {}
        Ok(Err(error)) => bail!("start {}: {error}", shell.display()),
        Err(Failure::HostChanged(findings)) => {
            anstream::println!("\n{WARN}On the throw-away host{WARN:#}, now gone:");
            findings.iter().for_each(|finding| anstream::println!("  {}", finding.what));
        }
        Err(failure @ Failure::SetUp(_)) => bail!("{failure}; `cargo lab doctor` says what this machine lacks"),
        Err(failure) => anstream::println!("\n{WARN}The throw-away host{WARN:#}: {failure}"),
    }
    Ok(true)
}

/// Inside: the shell, with `programs` in its PATH under their names.
fn start(shell: &OsStr, programs: &[(&str, PathBuf)]) -> io::Result<()> {
    cgroups::link(&testkit::dir())?;
    let bin = testkit::dir().join("programs");
    fs::create_dir(&bin)?;
    for (name, program) in programs {
        symlink(program, bin.join(name))?;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(iter::once(bin).chain(env::split_paths(&path))).map_err(io::Error::other)?;
    Command::new(shell).env("BOXWRIGHT_SHIELD", "1").env("PATH", path).status().map(drop)
}
