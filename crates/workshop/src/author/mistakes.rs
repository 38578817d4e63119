//! `mistakes` and `nothing`: wrong bodies, and what the tests say to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::bench::{Attempt, Bench, Outcome, beginning, says};
use super::bodies::boxwright_of;
use super::variant::{Place, Variant};
use super::{right, say};
use crate::Misuse;
use crate::course::Lab;
use crate::exercise::{Exercise, Solution};
use crate::libtest::{Build, Ended, Report, Status};

/// Every mistake of `lab`, or the one called `only`: the tests that it names fail with the words that it
/// names, which nothing else earns, and the host is as it was.
pub fn mistakes(bench: &mut Bench, lab: &Lab, only: Option<&str>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let solution = bench.solution(lab)?;
    let mut chosen = Variant::mistakes(&bench.course.root, &lab.mistakes())?;
    chosen.retain(|mistake| only.is_none_or(|name| mistake.name == name));
    if let (Some(name), true) = (only, chosen.is_empty()) {
        return Err(Misuse(format!("there is no {}/{name}.rs", lab.mistakes().display())).into());
    }
    findings.extend(right::passes(bench, lab, &format!("{}: the solution itself", lab.name()), solution.text())?);
    let mut tried = Vec::new();
    for mistake in &chosen {
        let text = mistake.in_place(&solution)?;
        findings.extend(bench.judge(lab, &text, |attempt| {
            let blame = attempt.blame(mistake.file.display());
            verdict(mistake, attempt).into_iter().chain(blame).collect()
        })?);
        tried.push(bench.attempt(lab, text)?);
    }
    if only.is_none() {
        findings.extend(ambiguous(bench, lab, &solution, &chosen)?);
    }
    table(lab, chosen.iter().zip(&tried));
    Ok(findings)
}

/// Builds the tests of `lab` with each mistake into `directory`: `NAME` and `NAME.boxwright`, and `list`, a line for each, its
/// fields divided by tabs: the name, where the test program looks for its `boxwright`, the tests that are to fail, the words.
pub fn build(bench: &mut Bench, lab: &Lab, directory: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    let (solution, mut list) = (bench.solution(lab)?, String::new());
    for mistake in Variant::mistakes(&bench.course.root, &lab.mistakes())? {
        let files = BTreeMap::from([(lab.solution(), mistake.in_place(&solution)?)]);
        let program = match bench.arrange(true, files)?.build_test(&lab.name())? {
            Build::Ready { program, .. } => program,
            Build::Failed { rendered } => return Ok(vec![format!("{}: {}", mistake.name, beginning(&rendered))]),
        };
        let boxwright = boxwright_of(&program)?;
        let own = directory.join(format!("{}.boxwright", mistake.name));
        for (built, copy) in [(&program, directory.join(&mistake.name)), (&boxwright, own)] {
            fs::copy(built, copy).with_context(|| format!("copy {}", built.display()))?;
        }
        let Variant { name, tests, says, .. } = &mistake;
        list.push_str(&format!("{name}\t{}\t{}\t{says}\n", boxwright.display(), tests.join(" ")));
    }
    fs::write(directory.join("list"), list).context("write the list")?;
    Ok(Vec::new())
}

/// What is wrong with what came of one mistake, leaving the others aside.
fn verdict(mistake: &Variant, attempt: &Attempt) -> Vec<String> {
    let file = mistake.file.display();
    let report = match &attempt.outcome {
        Outcome::Broken(rendered) => return vec![format!("{file}: does not compile:\n{}", beginning(rendered))],
        Outcome::Ran(report) => report,
    };
    let mut findings = Vec::new();
    if report.ended != Ended::Finished {
        findings.push(format!("{file}: the tests did not come to their end: {}", report.ended));
    }
    let mut failed = Vec::new();
    for name in &mistake.tests {
        match (report.test(name), report.skip(name)) {
            (_, Some(skip)) => say(format_args!("SKIP {file}: {name} needs {}", skip.needs)),
            (None, None) => findings.push(format!("{file}: there is no test {name}")),
            (Some(test), None) if test.status == Status::Failed => failed.push(test),
            (Some(_), None) => findings.push(format!("{file}: {name} does not notice")),
        }
    }
    if !failed.is_empty() && !failed.iter().any(|test| says(test, &mistake.says)) {
        let said = beginning(&failed[0].output);
        findings.push(format!("{file}: {} does not say \"{}\" but\n{said}", failed[0].name, mistake.says));
    }
    findings
}

/// Words that something else earns too, whenever it is tried: another mistake, a do-nothing body, the starter.
fn ambiguous(bench: &mut Bench, lab: &Lab, solution: &Solution, mistakes: &[Variant]) -> Result<Vec<String>> {
    let mut others = Vec::new();
    for mistake in mistakes {
        others.push((mistake.name.clone(), mistake.in_place(solution)?));
    }
    if !mistakes.is_empty() {
        others.push(("the starter".to_owned(), solution.starter(lab.number)));
        for exercise in &solution.exercises {
            others.push((format!("doing nothing in task {}", exercise.task), without(solution, exercise)));
        }
    }
    let mut findings = Vec::new();
    for (name, text) in others {
        findings.extend(bench.judge(lab, &text, |attempt| earned(mistakes, &name, attempt))?);
    }
    Ok(findings)
}

/// The words of `mistakes` that came of an attempt at something else, called `name`.
fn earned(mistakes: &[Variant], name: &str, attempt: &Attempt) -> Vec<String> {
    let others = mistakes.iter().filter(|mistake| mistake.name != name);
    let told = others.filter_map(|mistake| Some((mistake, attempt.says(&mistake.says)?)));
    told.map(|(Variant { file, says, .. }, test)| {
        format!("{}: {name} earns \"{says}\" too, in {}", file.display(), test.name)
    })
    .collect()
}

fn table<'a>(lab: &Lab, tried: impl Iterator<Item = (&'a Variant, &'a Rc<Attempt>)> + Clone) {
    let width = tried.clone().map(|(mistake, _)| mistake.name.len()).max().unwrap_or(0);
    say(format_args!("{}: mistakes tried: {}", lab.name(), tried.clone().count()));
    for (mistake, attempt) in tried {
        let Place::Task(task) = mistake.place else { continue };
        let failed: Vec<_> = attempt.report().into_iter().flat_map(Report::failed).map(|t| t.name.as_str()).collect();
        let seconds = attempt.took.as_secs_f32();
        say(format_args!("  {:width$}  task {task}  {seconds:4.1} s  {}", mistake.name, failed.join(", ")));
    }
}

/// For every exercise of `lab`: doing nothing there fails a test of that task.
pub fn nothing(bench: &mut Bench, lab: &Lab) -> Result<Vec<String>> {
    let (mut findings, mut noticed) = (Vec::new(), 0);
    let solution = bench.solution(lab)?;
    for exercise in &solution.exercises {
        let task = exercise.task;
        let place = format!("{}:{}: doing nothing in task {task}", lab.solution().display(), exercise.line);
        findings.extend(bench.judge(lab, &without(&solution, exercise), |attempt| {
            let mut findings: Vec<_> = attempt.blame(&place).collect();
            match &attempt.outcome {
                Outcome::Broken(rendered) => {
                    findings.push(format!("{place} does not compile, write `// nothing: …`:\n{}", beginning(rendered)));
                }
                Outcome::Ran(report) => match unnoticed(report, task) {
                    Unnoticed::No => noticed += 1,
                    Unnoticed::Skipped(needs) => say(format_args!("SKIP {place}: needs {needs}")),
                    Unnoticed::Because(problem) => findings.push(format!("{place}: {problem}")),
                },
            }
            findings
        })?);
    }
    let exercises = solution.exercises.len();
    say(format_args!("{}: doing nothing is noticed in {noticed} of {exercises} tasks", lab.name()));
    Ok(findings)
}

/// Whether a do-nothing body went unnoticed.
#[derive(Debug, PartialEq, Eq)]
enum Unnoticed {
    /// A test of its task failed.
    No,
    /// The tests of its task need something that this machine lacks.
    Skipped(String),
    /// No test of its task failed.
    Because(String),
}

fn unnoticed(report: &Report, task: u8) -> Unnoticed {
    let prefix = format!("task{task}_");
    let of_task: Vec<_> = report.tests.iter().filter(|test| test.name.starts_with(&prefix)).collect();
    if of_task.iter().any(|test| test.status == Status::Failed) {
        return Unnoticed::No;
    }
    match of_task.iter().find_map(|test| report.skip(&test.name)) {
        Some(skip) => Unnoticed::Skipped(skip.needs.clone()),
        None if of_task.is_empty() => Unnoticed::Because(format!("there is no test {prefix}…")),
        None => Unnoticed::Because(format!("no test {prefix}… fails")),
    }
}

fn without(solution: &Solution, exercise: &Exercise) -> String {
    solution.with_body(exercise.task, &exercise.nothing).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::libtest::Test;

    fn attempt(tests: &[(&str, Status, &str)]) -> Attempt {
        let test =
            |&(name, status, output): &(&str, _, &str)| Test { name: name.into(), status, output: output.into() };
        let tests = tests.iter().map(test).collect();
        let (skips, stderr, took) = (Vec::new(), String::new(), Duration::ZERO);
        let outcome = Outcome::Ran(Report { tests, skips, ended: Ended::Finished, stderr, took });
        Attempt { outcome, took, left: Vec::new() }
    }

    fn mistake() -> Variant {
        let (tests, says) = (vec!["task4_a".to_owned()], "the host was renamed".to_owned());
        Variant { name: "m".into(), file: "m.rs".into(), place: Place::Task(4), tests, says, body: String::new() }
    }

    #[test]
    fn a_mistake_must_fail_its_test_with_its_words() {
        let caught = attempt(&[("task4_a", Status::Failed, "oh: the host\n  was renamed to x")]);
        assert_eq!(verdict(&mistake(), &caught), Vec::<String>::new());
        let unnoticed = verdict(&mistake(), &attempt(&[("task4_a", Status::Passed, "")]));
        assert_eq!(unnoticed, ["m.rs: task4_a does not notice"]);
        let missing = verdict(&mistake(), &attempt(&[("task4_b", Status::Failed, "the host was renamed")]));
        assert_eq!(missing, ["m.rs: there is no test task4_a"]);
        let mute = verdict(&mistake(), &attempt(&[("task4_a", Status::Failed, "no")]));
        assert_eq!(mute, ["m.rs: task4_a does not say \"the host was renamed\" but\n    no"]);
    }

    #[test]
    fn doing_nothing_must_fail_a_test_of_the_same_task() {
        let report = |tests: &[_]| attempt(tests).report().unwrap().clone();
        assert_eq!(unnoticed(&report(&[("task1_a", Status::Failed, "")]), 1), Unnoticed::No);
        let other = unnoticed(&report(&[("task10_a", Status::Failed, ""), ("task1_b", Status::Passed, "")]), 1);
        assert_eq!(other, Unnoticed::Because("no test task1_… fails".into()));
        assert_eq!(unnoticed(&report(&[]), 1), Unnoticed::Because("there is no test task1_…".into()));
    }
}
