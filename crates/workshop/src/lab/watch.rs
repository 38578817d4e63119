//! `cargo lab watch [NN]`: tests again whenever a lab's file is saved.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{RecursiveMode, Watcher};

use super::check::{self, As};
use super::paint::{BAD, DIM};
use super::state::{self, hash};
use super::status::Standing;
use crate::course::{Course, Lab};

/// An editor writes a file in several steps: wait until it has been quiet for this long.
const SETTLE: Duration = Duration::from_millis(30);
/// Some file systems (shared folders of virtual machines) send no events: look by ourselves that often.
const LOOK: Duration = Duration::from_secs(1);

/// Tests `lab`, or the first that is not done, now and after each save; without `lab` it follows the file
/// that was saved. Runs until Ctrl-C.
///
/// # Errors
/// The folder `labs` cannot be watched.
pub fn run(course: &Course, lab: Option<&Lab>) -> Result<()> {
    let (send, saved) = mpsc::channel();
    // The folder, not the file: most editors replace the file, and a watch on it would stay with the old one.
    let mut watcher = notify::recommended_watcher(move |_| _ = send.send(()))?;
    watcher.watch(&course.root.join("labs"), RecursiveMode::NonRecursive).context("watch labs")?;
    let watched = lab.map_or_else(|| course.labs.iter().collect(), |lab| vec![lab]);
    let mut current = lab.map_or_else(|| first_open(course), Ok)?;
    let mut seen = contents(course, &watched);
    loop {
        test(course, current);
        current = loop {
            if saved.recv_timeout(LOOK).is_ok() {
                while saved.recv_timeout(SETTLE).is_ok() {}
            }
            let now = contents(course, &watched);
            let changed = watched.iter().find(|lab| now.get(&lab.file()) != seen.get(&lab.file()));
            if let Some(&changed) = changed {
                seen = now;
                break changed;
            }
        };
    }
}

fn test(course: &Course, lab: &Lab) {
    if std::io::stdout().is_terminal() {
        // Clears the screen and what was scrolled off it, so that the first failure is on top.
        anstream::print!("\x1b[2J\x1b[3J\x1b[H");
    }
    if let Err(error) = check::run(course, lab, As::Caller) {
        anstream::println!("{BAD}error{BAD:#}: {error:#}");
    }
    anstream::println!("{DIM}watching labs/: save a file to test again, Ctrl-C to stop{DIM:#}");
}

fn first_open(course: &Course) -> Result<&Lab> {
    let standings = Standing::all(course, &state::load(&course.root)?)?;
    let open = standings.iter().position(|standing| !standing.is_done()).unwrap_or(0);
    course.labs.get(open).context("the course has no labs")
}

/// What each file holds, by name: an event says that something was touched, not that it is different.
fn contents(course: &Course, labs: &[&Lab]) -> BTreeMap<PathBuf, Option<String>> {
    let content = |lab: &&Lab| (lab.file(), fs::read(course.root.join(lab.file())).ok().map(|text| hash(&text)));
    labs.iter().map(content).collect()
}
