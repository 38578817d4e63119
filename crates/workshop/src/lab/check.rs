//! `cargo lab test NN`: builds, runs, and shows what to look at first.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::paint::{BAD, BOLD, DIM, GOOD, WARN};
use super::state::{self, Run, hash};
use super::status::{self, Standing};
use super::{build_help, sudo};
use crate::course::{Course, Lab};
use crate::libtest::{self, Build, Cargo, Ended, Report, Status, Test};

/// A lab's tests take under two seconds; each has a deadline of its own, and this is for when that fails.
const LIMIT: Duration = Duration::from_secs(120);

/// As whom the tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// Whoever called.
    Caller,
    /// Root, through sudo: the test program alone, so that `target/` never becomes root's.
    Root,
}

/// Tests `lab`, shows the outcome and records it. Whether all is green.
///
/// # Errors
/// Nothing was tested: cargo or sudo is missing, a file cannot be read.
pub fn run(course: &Course, lab: &Lab, who: As) -> Result<bool> {
    let root = &course.root;
    let file = lab.file();
    let source = fs::read(root.join(&file)).with_context(|| {
        format!("read {}: `cargo lab reset {}` brings the starter back", file.display(), lab.number)
    })?;
    let sudo = if who == As::Root { sudo::prepare(root)? } else { None };
    let cargo = Cargo { color: true, ..Cargo::new(root) };
    let (program, warnings) = match cargo.build_test(&lab.name())? {
        Build::Ready { program, warnings } => (program, as_typed(&warnings)),
        Build::Failed { rendered } => {
            let rendered = as_typed(&rendered);
            anstream::println!("{}\n", rendered.trim_end());
            anstream::println!("{BOLD}help{BOLD:#}: {}", build_help::line(course, lab, &rendered));
            return Ok(false);
        }
    };
    anstream::eprintln!("{DIM}testing {}…{DIM:#}", lab.name());
    let command = cargo.command(&program);
    let mut command = sudo.map_or(command, |sudo| sudo.wrap(&program, root));
    let mut report = libtest::run(&mut command, LIMIT).with_context(|| format!("start {}", program.display()))?;
    let tests = fs::read_to_string(root.join(lab.tests())).unwrap_or_default();
    report.tests.sort_by_key(|test| order(test, &tests));
    show(lab, &report);
    record(root, lab, &source, &report)?;
    if report.passed() && !warnings.is_empty() {
        anstream::println!("\n{}", warnings.trim_end());
    }
    let advice = if report.passed() {
        status::next(&Standing::all(course, &state::load(root)?)?)
    } else {
        let number = lab.number;
        format!("go on in {}, then `cargo lab test {number}`; `cargo lab hint {number}` gives a nudge", file.display())
    };
    anstream::println!("\n{BOLD}next{BOLD:#}: {advice}");
    Ok(report.passed())
}

/// rustc's words with paths as one types them: it comes to a lab by way of `src/steps.rs`.
fn as_typed(rendered: &str) -> String {
    rendered.replace("src/../", "")
}

/// The first failure with its whole message, a line a test, and the sum.
fn show(lab: &Lab, report: &Report) {
    if let Some(first) = report.failed().next() {
        anstream::println!("{BAD}{}{BAD:#}\n\n{}\n", first.name, first.output);
    }
    anstream::println!("{BOLD}lab {:02} {}{BOLD:#}", lab.number, lab.topic);
    for test in &report.tests {
        let name = &test.name;
        match (report.skip(name), test.status) {
            (Some(skip), _) => {
                anstream::println!("{WARN}SKIPPED{WARN:#}  {name}: needs {}{}", skip.needs, how(&skip.how))
            }
            (None, Status::Passed) => anstream::println!("{GOOD}ok{GOOD:#}       {name}"),
            (None, Status::Failed) => anstream::println!("{BAD}FAILED{BAD:#}   {name}"),
            (None, Status::Ignored) => anstream::println!("{DIM}ignored  {name}{DIM:#}"),
        }
    }
    let (passed, failed, skipped) = (passed(report), report.failed().count(), report.skips.len());
    let took = report.took.as_secs_f32();
    anstream::println!("{DIM}{passed} ok, {failed} failed, {skipped} skipped, in {took:.1} s{DIM:#}");
    match &report.ended {
        Ended::Finished => {}
        Ended::TimedOut => anstream::println!(
            "{BAD}stopped{BAD:#}: the tests did not end in {} s. Does a loop wait for something that never comes?",
            LIMIT.as_secs()
        ),
        Ended::Died(how) => {
            anstream::println!("{BAD}died{BAD:#}: the test program itself ended ({how}):\n{}", report.stderr.trim())
        }
    }
}

fn how(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// By task, those of the whole lab last; within a task as `source` has them, where the plain ones stand first.
fn order(test: &Test, source: &str) -> (u32, Option<usize>) {
    let task = test.name.strip_prefix("task").and_then(|rest| rest.split('_').next()?.parse().ok());
    (task.unwrap_or(u32::MAX), source.find(&format!("fn {}(", test.name)))
}

/// Tests that looked at something, and found it right.
fn passed(report: &Report) -> usize {
    report.tests.iter().filter(|test| test.status == Status::Passed && report.skip(&test.name).is_none()).count()
}

/// Remembers the run. A green run with skips does not replace one of the same file with fewer, as after
/// `--root` and then without.
fn record(root: &Path, lab: &Lab, source: &[u8], report: &Report) -> Result<()> {
    let run = Run {
        file: hash(source),
        complete: report.ended == Ended::Finished,
        passed: passed(report),
        failed: report.failed().map(|test| test.name.clone()).collect(),
        skipped: report.skips.iter().map(|skip| format!("needs {}{}", skip.needs, how(&skip.how))).collect(),
    };
    state::change(root, lab.number, |known| {
        let says_more = |old: &Run| old.file == run.file && old.is_green() && old.skipped.len() < run.skipped.len();
        if !(run.is_green() && known.run.as_ref().is_some_and(says_more)) {
            known.run = Some(run);
        }
    })
}
