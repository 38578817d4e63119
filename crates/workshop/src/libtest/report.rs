//! The text of cargo and libtest, read.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use crate::process::Finished;

/// What the tests of one lab said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In the order in which they ended.
    pub tests: Vec<Test>,
    /// Tests that looked at nothing for want of something that this machine does not have. They count as
    /// passed in `tests`.
    pub skips: Vec<Skip>,
    /// How the program ended.
    pub ended: Ended,
    /// Everything it wrote to standard error, skips included.
    pub stderr: String,
    /// Wall-clock time.
    pub took: Duration,
}

/// How a test program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It came to its last line.
    Finished,
    /// It was killed at the deadline.
    TimedOut,
    /// It died on the way: "killed by signal 6", "exit code 1".
    Died(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Finished => f.write_str("finished"),
            Ended::TimedOut => f.write_str("still running at the deadline"),
            Ended::Died(how) => write!(f, "died on the way: {how}"),
        }
    }
}

/// One test function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// `task2_the_host_keeps_its_name`
    pub name: String,
    /// Its outcome.
    pub status: Status,
    /// For a failed test, what it printed and what it failed with; else empty.
    pub output: String,
}

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// ok
    Passed,
    /// FAILED
    Failed,
    /// ignored
    Ignored,
}

/// A line `SKIP lab07::task2_x: needs cgroup v2: how to get it`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// `task2_x`, without the lab.
    pub test: String,
    /// `cgroup v2`
    pub needs: String,
    /// How to get it; empty if it does not say.
    pub how: String,
}

impl Report {
    /// Whether every test was run and none failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.ended == Ended::Finished && self.failed().next().is_none()
    }

    /// The tests that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(|test| test.status == Status::Failed)
    }

    /// The test with this name.
    #[must_use]
    pub fn test(&self, name: &str) -> Option<&Test> {
        self.tests.iter().find(|test| test.name == name)
    }

    /// Why the test with this name looked at nothing, if so.
    #[must_use]
    pub fn skip(&self, test: &str) -> Option<&Skip> {
        self.skips.iter().find(|skip| skip.test == test)
    }

    /// Reads what a test program printed.
    pub(super) fn read(finished: &Finished) -> Self {
        let mut tests = tests(&finished.stdout);
        for (name, output) in outputs(&finished.stdout, &tests) {
            if let Some(test) = tests.iter_mut().find(|test| test.name == name) {
                test.output = output;
            }
        }
        let came_to_the_end = finished.stdout.lines().any(|line| line.starts_with("test result: "));
        let ended = match finished.status {
            None => Ended::TimedOut,
            Some(_) if came_to_the_end => Ended::Finished,
            Some(status) => Ended::Died(describe(status)),
        };
        let skips = finished.stderr.lines().filter_map(skip).collect();
        Self { tests, skips, ended, stderr: finished.stderr.clone(), took: finished.took }
    }
}

/// The lines `test NAME ... ok`. With one thread, or `--nocapture`, what the test prints may stand between
/// the dots and the outcome.
fn tests(stdout: &str) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut pending = None;
    for line in stdout.lines().take_while(|line| *line != "failures:") {
        let started = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "));
        let (name, outcome) = match (started, pending.take()) {
            (Some((name, outcome)), _) => (name.trim_end_matches(" - should panic"), outcome),
            (None, Some(name)) => (name, line),
            (None, None) => continue,
        };
        let status = match outcome {
            _ if outcome == "ignored" || outcome.starts_with("ignored, ") => Status::Ignored,
            _ if outcome.ends_with("FAILED") => Status::Failed,
            _ if outcome.ends_with("ok") => Status::Passed,
            _ => {
                pending = Some(name);
                continue;
            }
        };
        tests.push(Test { name: name.to_owned(), status, output: String::new() });
    }
    tests
}

/// The sections `---- NAME stdout ----`. A test may print such a line itself: only names of failed tests count.
fn outputs(stdout: &str, tests: &[Test]) -> Vec<(String, String)> {
    let mut outputs: Vec<(String, String)> = Vec::new();
    let mut lines = stdout.lines().skip_while(|line| *line != "failures:").skip(1).peekable();
    while let Some(line) = lines.next() {
        let section = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----"));
        let section = section.filter(|name| tests.iter().any(|t| t.name == *name && t.status == Status::Failed));
        let is_list = line == "failures:" && lines.peek().is_some_and(|next| next.starts_with("    "));
        match (section, outputs.last_mut()) {
            (Some(name), _) => outputs.push((name.to_owned(), String::new())),
            (None, Some((_, output))) if !is_list => {
                output.push_str(line);
                output.push('\n');
            }
            _ if is_list => break,
            _ => {}
        }
    }
    for (_, output) in &mut outputs {
        output.truncate(output.trim_end().len());
    }
    outputs
}

/// `SKIP lab07::task2_x: needs cgroup v2: how`
fn skip(line: &str) -> Option<Skip> {
    let (test, rest) = line.trim_start().strip_prefix("SKIP ")?.split_once(": needs ")?;
    let (needs, how) = rest.split_once(": ").unwrap_or((rest, ""));
    let test = test.rsplit("::").next().unwrap_or(test);
    Some(Skip { test: test.to_owned(), needs: needs.to_owned(), how: how.to_owned() })
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What cargo's JSON says about one target.
#[derive(Debug, Default)]
pub struct Messages {
    /// The program that it built.
    pub program: Option<PathBuf>,
    /// rustc's errors, one after the other, an empty line between them.
    pub errors: String,
    /// rustc's warnings, likewise.
    pub warnings: String,
}

/// Reads `cargo --message-format json`.
pub fn messages(json: &str, target: &str) -> Messages {
    let mut messages = Messages::default();
    for line in json.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(program) = line["executable"].as_str().filter(|_| line["target"]["name"] == target) {
            messages.program = Some(program.into());
        }
        let message = &line["message"];
        let Some(rendered) = message["rendered"].as_str() else { continue };
        // "1 warning emitted", "aborting due to 2 previous errors": they count what was said already.
        let text = message["message"].as_str().unwrap_or_default();
        let is_count = text.ends_with(" emitted") || text.starts_with("aborting due to ");
        let known = if message["level"] == "error" { &mut messages.errors } else { &mut messages.warnings };
        // The same file is compiled into more than one target: say it once.
        if !(known.contains(rendered) || is_count) {
            known.push_str(rendered);
        }
    }
    messages
}

#[cfg(test)]
mod tests;
