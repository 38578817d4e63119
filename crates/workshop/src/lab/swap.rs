//! Another text in place of the learner's: `reset`, `skip`; and the two side by side: `diff`.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use similar::{ChangeTag, TextDiff};

use super::paint::{BAD, BOLD, DIM, GOOD};
use super::{kept, state};
use crate::course::{Course, Lab};
use crate::exercise::Solution;

/// Puts the starter of `lab` back; what was there is kept aside, and what was remembered of it forgotten.
///
/// # Errors
/// A file cannot be read or written. Then the learner's file is as it was.
pub fn reset(course: &Course, lab: &Lab) -> Result<()> {
    let solution = Solution::read(&course.root, &lab.solution())?;
    replace(&course.root, lab, &solution.starter(lab.number), &[solution.text()])?;
    state::change(&course.root, lab.number, |lab| *lab = state::LabProgress::default())?;
    anstream::println!("{GOOD}reset{GOOD:#}: {} is the starter again", lab.file().display());
    Ok(())
}

/// Puts the reference of `lab` in place, so that the runtime has its part; what was there is kept aside.
///
/// # Errors
/// As [`reset`].
pub fn skip(course: &Course, lab: &Lab) -> Result<()> {
    let (root, number) = (&course.root, lab.number);
    let solution = Solution::read(root, &lab.solution())?;
    replace(root, lab, solution.text(), &[&solution.starter(number)])?;
    state::change(root, number, |lab| lab.skipped = true)?;
    anstream::println!(
        "{GOOD}skipped{GOOD:#}: {} is the reference now; `cargo lab reset {number}` starts the lab again",
        lab.file().display()
    );
    Ok(())
}

/// Writes `text` to the lab's file, and keeps what was there unless it is `text` or one of `generated`.
fn replace(root: &Path, lab: &Lab, text: &str, generated: &[&str]) -> Result<()> {
    let path = root.join(lab.file());
    match fs::read(&path) {
        Ok(old) if old == text.as_bytes() => return Ok(()),
        Ok(old) if generated.iter().any(|text| old == text.as_bytes()) => {}
        Ok(old) => {
            let aside = state::shown(root, &kept::keep(root, &lab.name(), &old)?);
            anstream::println!("Your file is kept: {BOLD}{aside}{BOLD:#}");
            anstream::println!("{DIM}to have it back: cp {aside} {}{DIM:#}", lab.file().display());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    }
    state::replace(&path, text.as_bytes())
}

/// Shows what the reference has (`+`) that the learner's file has not (`-`).
///
/// # Errors
/// A file cannot be read.
pub fn diff(course: &Course, lab: &Lab) -> Result<()> {
    let path = course.root.join(lab.file());
    let yours = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let solution = Solution::read(&course.root, &lab.solution())?;
    let (yours, reference) = (without_markers(&yours), without_markers(solution.text()));
    let diff = TextDiff::from_lines(&yours, &reference);
    anstream::println!("{BAD}--- {} (yours){BAD:#}", lab.file().display());
    anstream::println!("{GOOD}+++ {} (the reference){GOOD:#}", lab.solution().display());
    if yours == reference {
        anstream::println!("No difference.");
    }
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        anstream::println!("{DIM}{}{DIM:#}", hunk.header());
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            match change.tag() {
                ChangeTag::Equal => anstream::println!(" {line}"),
                ChangeTag::Delete => anstream::println!("{BAD}-{line}{BAD:#}"),
                ChangeTag::Insert => anstream::println!("{GOOD}+{line}{GOOD:#}"),
            }
        }
    }
    Ok(())
}

/// Without the comments and the attribute that are there for the course's own tools.
fn without_markers(text: &str) -> String {
    let is_marker = |line: &str| {
        let line = line.trim_start();
        ["// task ", "// nothing: ", "// end task", "// ANCHOR", "#![expect(unused,"]
            .iter()
            .any(|m| line.starts_with(m))
    };
    text.lines().filter(|line| !is_marker(line)).fold(String::new(), |text, line| text + line + "\n")
}
