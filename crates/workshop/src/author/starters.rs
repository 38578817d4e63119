//! `starters`: what the learner begins with, made from the solutions.

use std::fs;
use std::io;

use anyhow::{Context, Result};
use similar::TextDiff;

use crate::course::Course;
use crate::exercise::Solution;

/// Writes `labs/*.rs` anew; with `check`, only tells what is out of date. Returns what was wrong.
///
/// # Errors
/// A solution cannot be parsed, a file cannot be read or written.
pub fn starters(course: &Course, check: bool) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for lab in &course.labs {
        let fresh = Solution::read(&course.root, &lab.solution())?.starter(lab.number);
        let path = course.root.join(lab.file());
        let present = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            result => result.with_context(|| format!("read {}", path.display()))?,
        };
        if present == fresh {
            continue;
        }
        let file = lab.file().display().to_string();
        if check {
            let diff = TextDiff::from_lines(&present, &fresh);
            let diff = diff.unified_diff().header(&file, "generated from the solution").to_string();
            findings.push(format!("{file} is out of date: cargo author starters\n{diff}"));
        } else {
            fs::write(&path, fresh).with_context(|| format!("write {}", path.display()))?;
            super::say(format_args!("wrote {file}"));
        }
    }
    Ok(findings)
}
