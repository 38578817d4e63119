//! How far a lab is, and what to do next.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::state::{Progress, hash};
use crate::course::{Course, Lab};
use crate::exercise::Solution;

/// How far the learner is with one lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The tests were green when they last ran, and the file has not changed since.
    Passed,
    /// The reference stands in for the learner's file, or every test was skipped.
    Skipped,
    /// The file is no longer the starter.
    InProgress,
    /// The file is the starter.
    NotStarted,
    /// The learner's file is gone.
    Missing,
}

/// One line of the dashboard.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The lab's number.
    pub number: u8,
    /// Its topic: `uts`.
    pub topic: String,
    /// Its file, from the root of the course.
    pub file: String,
    /// How far it is.
    pub status: Status,
    /// Why it is skipped, how many tests pass; empty when the status says all.
    pub why: String,
}

impl Standing {
    /// Looks at the learner's file of `lab`, and at what is remembered of it.
    ///
    /// # Errors
    /// The solution cannot be read.
    pub fn of(root: &Path, lab: &Lab, progress: &Progress) -> Result<Self> {
        let solution = Solution::read(root, &lab.solution())?;
        let known = progress.lab(lab.number);
        let text = fs::read_to_string(root.join(lab.file())).ok();
        let run = known.run.filter(|run| text.as_ref().is_some_and(|text| run.file == hash(text.as_bytes())));
        let (status, why) = match (text, run) {
            (None, _) => (Status::Missing, format!("`cargo lab reset {}` brings the starter back", lab.number)),
            (Some(text), _) if known.skipped && text == solution.text() => {
                (Status::Skipped, "the reference stands in for your file".to_owned())
            }
            (_, Some(run)) if run.is_green() && run.passed > 0 => {
                let skipped = run
                    .skipped
                    .first()
                    .map(|first| format!("{} of {} tests skipped: {first}", run.skipped.len(), run.total()));
                (Status::Passed, skipped.unwrap_or_default())
            }
            (_, Some(run)) if run.is_green() && !run.skipped.is_empty() => (Status::Skipped, run.skipped[0].clone()),
            (Some(text), _) if text == solution.starter(lab.number) => (Status::NotStarted, String::new()),
            (_, Some(run)) if run.complete => {
                (Status::InProgress, format!("{} of {} tests pass", run.passed, run.total()))
            }
            _ => (Status::InProgress, "not tested since the last edit".to_owned()),
        };
        let (number, topic, file) = (lab.number, lab.topic.clone(), lab.file().display().to_string());
        Ok(Self { number, topic, file, status, why })
    }

    /// The standing of every lab of `course`.
    ///
    /// # Errors
    /// As [`Standing::of`].
    pub fn all(course: &Course, progress: &Progress) -> Result<Vec<Self>> {
        course.labs.iter().map(|lab| Self::of(&course.root, lab, progress)).collect()
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.status, Status::Passed | Status::Skipped)
    }
}

/// The one next step.
#[must_use]
pub fn next(standings: &[Standing]) -> String {
    let Some(Standing { number, file, status, .. }) = standings.iter().find(|standing| !standing.is_done()) else {
        return "every lab is done: `cargo run -q -- run --rootfs host -- sh` starts your container".to_owned();
    };
    match status {
        Status::NotStarted => format!(
            "lab {number:02}: read its chapter (`cargo lab open {number}`), then keep `cargo lab watch {number}` \
             running while you edit {file}"
        ),
        Status::Missing => format!("lab {number:02}: `cargo lab reset {number}` brings {file} back"),
        _ => format!("lab {number:02}: go on in {file}, then `cargo lab test {number}`"),
    }
}
