//! `forms`: a lab is one thing in eight forms (solution, starter, tests, messages, mistakes, chapter,
//! runtime, everywhere). Here is what can be seen of them without running anything.

use std::fs;

use anyhow::{Context, Result};

use super::chapter;
use super::variant::{Place, Variant};
use crate::course::{Course, Lab};
use crate::exercise::Solution;

/// What a lab is to have: lines of its solution, exercises, mistakes, whole-file alternatives.
const LINES: std::ops::RangeInclusive<usize> = 60..=270;
const EXERCISES: std::ops::RangeInclusive<usize> = 2..=7;
const MISTAKES: usize = 5;
const ALTERNATIVES: usize = 2;

/// What every lab lacks, one line each.
pub fn forms(course: &Course) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for lab in &course.labs {
        let solution = Solution::read(&course.root, &lab.solution())?;
        let tests = fs::read_to_string(course.root.join(lab.tests())).unwrap_or_default();
        findings.extend(of_solution(lab, &solution));
        findings.extend(of_tests(lab, &solution, &tests));
        findings.extend(of_variants(course, lab, &solution, &tests)?);
        findings.extend(chapter::findings(course, lab, &solution));
    }
    let readme = fs::read_to_string(course.root.join("README.md")).unwrap_or_default();
    findings.extend(course.labs.iter().filter_map(|lab| of_readme(lab, &readme)));
    findings.extend(strangers(course)?);
    Ok(findings)
}

fn of_solution(lab: &Lab, solution: &Solution) -> Vec<String> {
    let mut findings = Vec::new();
    let file = lab.solution().display().to_string();
    let lines = solution.text().lines().count();
    if !LINES.contains(&lines) {
        findings.push(format!("{file}: {lines} lines, not {} to {}", LINES.start(), LINES.end()));
    }
    let count = solution.exercises.len();
    if !EXERCISES.contains(&count) {
        findings.push(format!("{file}: {count} exercises, not {} to {}", EXERCISES.start(), EXERCISES.end()));
    }
    for (number, exercise) in (1..).zip(&solution.exercises) {
        if exercise.task != number {
            findings.push(format!("{file}:{}: task {} where task {number} is due", exercise.line, exercise.task));
        }
    }
    findings
}

fn of_tests(lab: &Lab, solution: &Solution, tests: &str) -> Vec<String> {
    let file = lab.tests().display().to_string();
    if tests.is_empty() {
        return vec![format!("{file}: missing")];
    }
    let functions = test_functions(tests);
    let mut findings = Vec::new();
    let mut wanted: Vec<_> = solution.exercises.iter().map(|exercise| format!("task{}_", exercise.task)).collect();
    wanted.push("run_".to_owned());
    for prefix in &wanted {
        if !functions.iter().any(|name| name.starts_with(prefix)) {
            findings.push(format!("{file}: no test {prefix}…"));
        }
    }
    for name in functions {
        if !wanted.iter().any(|prefix| name.starts_with(prefix)) {
            findings.push(format!("{file}: {name} belongs to no task: call it taskN_… or run_…"));
        }
    }
    findings
}

/// The names of the functions under `#[test]`.
fn test_functions(tests: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in tests.lines().map(str::trim) {
        is_test |= line == "#[test]";
        if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            names.extend(rest.split('(').next());
            is_test = false;
        }
    }
    names
}

fn of_variants(course: &Course, lab: &Lab, solution: &Solution, tests: &str) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mistakes = Variant::mistakes(&course.root, &lab.mistakes())?;
    if mistakes.len() < MISTAKES {
        findings.push(format!("{}: {} mistakes, at least {MISTAKES}", lab.mistakes().display(), mistakes.len()));
    }
    for mistake in &mistakes {
        for name in mistake.tests.iter().filter(|name| !tests.contains(&format!("fn {name}("))) {
            findings.push(format!("{}: there is no test {name}", mistake.file.display()));
        }
    }
    let alternatives = Variant::alternatives(&course.root, &lab.alternatives())?;
    let whole = alternatives.iter().filter(|alternative| alternative.place == Place::WholeFile).count();
    if whole < ALTERNATIVES {
        let directory = lab.alternatives();
        findings.push(format!("{}: {whole} whole files, at least {ALTERNATIVES}", directory.display()));
    }
    for variant in mistakes.iter().chain(&alternatives) {
        findings.extend(variant.in_place(solution).err().map(|error| error.to_string()));
    }
    Ok(findings)
}

fn of_readme(lab: &Lab, readme: &str) -> Option<String> {
    let number = format!("{:02}", lab.number);
    let first_cell = |line: &str| line.strip_prefix('|').and_then(|row| row.split('|').next()).map(str::to_owned);
    let told = readme.lines().filter_map(first_cell).any(|cell| cell.contains(&number));
    (!told).then(|| format!("README.md: no line of the lab table starts with | {number}"))
}

/// Files that belong to no lab: a typing error in a name would go unseen.
fn strangers(course: &Course) -> Result<Vec<String>> {
    let known: Vec<String> = course.labs.iter().flat_map(|lab| [lab.name(), lab.stem()]).collect();
    let mut findings = Vec::new();
    for directory in ["labs", "tests", "tests/mistakes", "tests/alternatives"] {
        let Ok(entries) = fs::read_dir(course.root.join(directory)) else { continue };
        for entry in entries {
            let name = entry.with_context(|| format!("read {directory}"))?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("lab") && !known.iter().any(|known| *known == name.trim_end_matches(".rs")) {
                findings.push(format!("{directory}/{name}: belongs to no lab"));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Lab {
        Lab { number: 1, topic: "uts".into() }
    }

    #[test]
    fn every_task_needs_a_test_and_every_test_a_task() {
        let solution =
            "fn a() {\n    // task 1: a\n    // end task\n}\nfn b() {\n    // task 3: b\n    // end task\n}\n";
        let solution = Solution::parse("x.rs", solution).unwrap();
        let found = of_solution(&lab(), &solution);
        assert_eq!(
            found,
            ["solutions/lab01_uts.rs: 8 lines, not 60 to 270", "solutions/lab01_uts.rs:6: task 3 where task 2 is due",]
        );
        let tests = "#[test]\n#[serial]\nfn task1_x() {\n}\nfn probe() {}\n#[test]\nfn other() {}\n";
        assert_eq!(
            of_tests(&lab(), &solution, tests),
            [
                "tests/lab01.rs: no test task3_…",
                "tests/lab01.rs: no test run_…",
                "tests/lab01.rs: other belongs to no task: call it taskN_… or run_…",
            ]
        );
    }

    #[test]
    fn the_lab_table_is_looked_at() {
        assert_eq!(of_readme(&lab(), "text 01\n| 01 | hostname | `--hostname` |\n"), None);
        assert!(of_readme(&lab(), "01\n| 00 | 01 |\n").is_some());
    }
}
