//! `alternatives` and `starter-tests`: right solutions pass, whoever wrote them; what is not written fails,
//! and says so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use super::bench::{self, Attempt, Bench, Outcome, beginning, says};
use super::say;
use super::variant::{Place, Variant};
use crate::course::{Course, Lab};
use crate::exercise::Solution;
use crate::libtest::{Ended, Report, Status};

/// Every alternative of `lab` passes all its tests.
pub fn alternatives(bench: &mut Bench, lab: &Lab) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let solution = bench.solution(lab)?;
    for alternative in Variant::alternatives(&bench.course.root, &lab.alternatives())? {
        let file = alternative.file.display().to_string();
        findings.extend(passes(bench, lab, &file, &alternative.in_place(&solution)?)?);
    }
    Ok(findings)
}

/// What keeps `lab` from passing all its tests with `text` as its solution; `who` is whose text it is.
pub fn passes(bench: &mut Bench, lab: &Lab, who: &str, text: &str) -> Result<Vec<String>> {
    bench.judge(lab, text, |attempt| pass(who, attempt))
}

/// Whether `attempt` is a clean pass.
fn pass(who: &str, attempt: &Attempt) -> Vec<String> {
    let complaint = attempt.complaint();
    if complaint.is_none() {
        say(format_args!("{who}: passes, {:.1} s", attempt.took.as_secs_f32()));
    }
    complaint.map(|complaint| format!("{who}: {complaint}")).into_iter().collect()
}

/// With every lab an alternative at once, each lab's first whole file, the tests of every lab pass.
pub fn all_in_one(bench: &mut Bench) -> Result<Vec<String>> {
    let files = an_alternative_each(&bench.course)?;
    let cargo = bench.arrange(true, files)?;
    let mut findings = Vec::new();
    for lab in &bench.tested() {
        let who = format!("all in one, {}", lab.name());
        findings.extend(bench::persist(|| Ok(pass(&who, &bench::test(&cargo, lab)?)))?);
    }
    Ok(findings)
}

/// A tree for [`Bench::arrange`]: in place of every solution the lab's first whole file.
pub fn an_alternative_each(course: &Course) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for lab in &course.labs {
        let mut alternatives = Variant::alternatives(&course.root, &lab.alternatives())?;
        alternatives.retain(|alternative| alternative.place == Place::WholeFile);
        match alternatives.into_iter().next() {
            Some(first) => drop(files.insert(lab.solution(), first.body)),
            None => say(format_args!("{}: no whole file to take, the solution stays", lab.name())),
        }
    }
    Ok(files)
}

/// A tree for [`Bench::arrange`]: labs that are solved, the rest starters.
pub fn solved(course: &Course, solved: impl Fn(u8) -> bool) -> Result<BTreeMap<PathBuf, String>> {
    let file = |lab: &Lab| {
        let solution = Solution::read(&course.root, &lab.solution())?;
        let is_solved = solved(lab.number);
        Ok((lab.file(), if is_solved { solution.text().to_owned() } else { solution.starter(lab.number) }))
    };
    course.labs.iter().map(file).collect()
}

/// Every test of `lab` fails on the starters, and says where to go on.
pub fn starter_tests(bench: &mut Bench, lab: &Lab) -> Result<Vec<String>> {
    let files = solved(&bench.course, |_| false)?;
    let cargo = bench.arrange(false, files)?;
    bench::persist(|| Ok(unwritten(lab, &bench::test(&cargo, lab)?)))
}

fn unwritten(lab: &Lab, attempt: &Attempt) -> Vec<String> {
    let report = match &attempt.outcome {
        Outcome::Ran(report) => report,
        Outcome::Broken(rendered) => {
            return vec![format!("{}: the starters do not compile:\n{}", lab.name(), beginning(rendered))];
        }
    };
    let (tests, skips) = (report.tests.len(), report.skips.len());
    let seconds = report.took.as_secs_f32();
    say(format_args!("{}: {tests} tests on the starters, {skips} skipped, {seconds:.1} s", lab.name()));
    let blame = attempt.blame(format!("{} on the starters", lab.name()));
    blame.chain(not_as_starters_should(lab, report)).collect()
}

fn not_as_starters_should(lab: &Lab, report: &Report) -> Vec<String> {
    let (name, number) = (lab.name(), lab.number);
    let mut findings = Vec::new();
    if report.ended != Ended::Finished {
        findings.push(format!("{name}: the tests on the starters: {}", report.ended));
    }
    for test in report.tests.iter().filter(|test| report.skip(&test.name).is_none()) {
        let of_task = says(test, &format!("lab {number:02}, task")) && says(test, "not written yet");
        let of_lab = says(test, &format!("lab {number:02} is not written yet"));
        match test.status {
            Status::Failed if of_task || of_lab => {}
            Status::Failed => findings.push(format!(
                "{name}: {} on the starter does not say \"lab {number:02}, task …\" and \"not written yet\":\n{}",
                test.name,
                beginning(&test.output)
            )),
            Status::Passed => findings.push(format!("{name}: {} passes on the starter", test.name)),
            Status::Ignored => findings.push(format!("{name}: {} is ignored", test.name)),
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::libtest::Test;

    #[test]
    fn a_test_must_fail_on_the_starter_and_say_what_is_open() {
        let test = |name: &str, status, output: &str| Test { name: name.into(), status, output: output.into() };
        let tests = vec![
            test("task1_a", Status::Failed, "lab 01,\ntask 1: call it. It is not written yet"),
            test("run_b", Status::Failed, "boxwright: lab 01 is not written yet: `cargo lab test 1`"),
            test("task2_c", Status::Passed, ""),
            test("task3_d", Status::Failed, "lab 02, task 3 is not written yet"),
        ];
        let (skips, stderr) = (Vec::new(), String::new());
        let report = Report { tests, skips, ended: Ended::TimedOut, stderr, took: Duration::ZERO };
        let lab = Lab { number: 1, topic: "uts".into() };
        let findings = not_as_starters_should(&lab, &report);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert_eq!(findings[0], "lab01: the tests on the starters: still running at the deadline");
        assert_eq!(findings[1], "lab01: task2_c passes on the starter");
        assert!(findings[2].starts_with("lab01: task3_d on the starter does not say"), "{findings:?}");
    }
}
