//! What a machine can see of a chapter of the book.

use std::fs;

use crate::course::{Course, Lab};
use crate::exercise::Solution;

/// The `##` headings of every chapter, in this order.
const SECTIONS: [&str; 10] = [
    "What you will be able to do",
    "The idea",
    "The kernel's rules",
    "Predict before you run",
    "Experiments",
    "Tasks",
    "Hints",
    "What the others do",
    "Test your understanding",
    "Going further",
];
const HINTS: usize = 3;
const PICTURES: &str = "book/src/pictures";

/// What the chapter of `lab` lacks, one line each.
pub fn findings(course: &Course, lab: &Lab, solution: &Solution) -> Vec<String> {
    let file = lab.chapter().display().to_string();
    let Ok(text) = fs::read_to_string(course.root.join(lab.chapter())) else {
        return vec![format!("{file}: missing")];
    };
    let mut findings: Vec<String> =
        of_text(&text, solution).into_iter().map(|(line, finding)| format!("{file}:{line}: {finding}")).collect();
    findings.extend(of_pictures(course, lab, &text));
    findings
}

/// A line outside of fenced blocks, with its number.
type Line<'a> = (usize, &'a str);

fn of_text(text: &str, solution: &Solution) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    let lines = prose(text);
    let headings: Vec<Line> =
        lines.iter().filter_map(|&(n, line)| Some((n, line.strip_prefix("## ")?.trim()))).collect();
    if !headings.iter().map(|(_, heading)| heading).eq(&SECTIONS) {
        let pairs = headings.iter().zip(SECTIONS);
        let (line, due) = pairs.clone().find(|((_, heading), due)| heading != due).map_or_else(
            || (text.lines().count(), *SECTIONS.get(headings.len()).unwrap_or(&"nothing more")),
            |(&(line, _), due)| (line, due),
        );
        findings.push((line, format!("here the section \"{due}\" is due")));
    }
    let (start, hints) = section(&lines, "Hints");
    for exercise in &solution.exercises {
        let title = format!("### Task {}", exercise.task);
        let is_title =
            |line: &str| line.strip_prefix(&title).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
        let of_task = hints.iter().skip_while(|(_, line)| !is_title(line)).skip(1);
        let of_task = of_task.take_while(|(_, line)| !line.starts_with("### "));
        let count = of_task.filter(|(_, line)| line.contains("<summary>Hint ")).count();
        if count != HINTS {
            findings.push((start, format!("{count} hints under \"{title}\", not {HINTS}")));
        }
    }
    let (start, predictions) = section(&lines, "Predict before you run");
    if !predictions.iter().any(|(_, line)| line.contains("<details>")) {
        findings.push((start, "no prediction with its answer folded in <details>".to_owned()));
    }
    if !text.lines().any(|line| line.starts_with("```console")) {
        findings.push((section(&lines, "Experiments").0, "no transcript: a block ```console".to_owned()));
    }
    for (line, content) in &lines {
        let mut words = content.split(|c: char| !c.is_alphanumeric());
        if let Some(word) = words.find(|word| ["simply", "just"].contains(&word.to_lowercase().as_str())) {
            findings.push((*line, format!("\"{word}\": leave it out")));
        }
    }
    findings
}

/// The lines outside of fenced blocks, counted from 1.
fn prose(text: &str) -> Vec<Line<'_>> {
    let mut fenced = false;
    let mut lines: Vec<Line> = (1..).zip(text.lines()).collect();
    lines.retain(|(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    lines
}

/// The lines below a `##` heading, and the heading's number; line 1 when there is no such heading.
fn section<'a>(lines: &[Line<'a>], heading: &str) -> (usize, Vec<Line<'a>>) {
    let is_heading = |line: &str| line.strip_prefix("## ").is_some_and(|title| title.trim() == heading);
    let mut from = lines.iter().skip_while(|(_, line)| !is_heading(line));
    let start = from.next().map_or(1, |(number, _)| *number);
    (start, from.take_while(|(_, line)| !line.starts_with("## ")).copied().collect())
}

fn of_pictures(course: &Course, lab: &Lab, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let chapter = lab.chapter().display().to_string();
    let used: Vec<&str> = text.split("](pictures/").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).collect();
    if used.is_empty() {
        findings.push(format!("{chapter}: no picture, ![…](pictures/{}-….svg)", lab.name()));
    }
    for name in &used {
        match fs::read_to_string(course.root.join(PICTURES).join(name)) {
            Err(_) => findings.push(format!("{chapter}: there is no {PICTURES}/{name}")),
            Ok(svg) if !svg.contains("<title") => findings.push(format!("{PICTURES}/{name}: no <title>")),
            Ok(_) => {}
        }
    }
    for entry in fs::read_dir(course.root.join(PICTURES)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&format!("{}-", lab.name())) && !used.contains(&name.as_str()) {
            findings.push(format!("{PICTURES}/{name}: {chapter} does not show it"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> String {
        let mut text = String::from("# Lab 01\n\n");
        for section in SECTIONS {
            text += &format!("## {section}\n\n");
            text += match section {
                "Predict before you run" => "1. What?\n\n<details><summary>Answer</summary>That.</details>\n\n",
                "Experiments" => "```console\n$ echo just '## this'\n## this\n```\n\n",
                "Hints" => {
                    "### Task 1: first\n\n<details><summary>Hint 1: nudge</summary>a</details>\n\
                     <details><summary>Hint 2: more</summary>b</details>\n<details><summary>Hint 3: x</summary>c</details>\n\n"
                }
                _ => "",
            };
        }
        text
    }

    fn solution() -> Solution {
        Solution::parse("x.rs", "fn a() {\n    // task 1: a\n    // end task\n}\n").unwrap()
    }

    #[test]
    fn a_whole_chapter_has_no_findings() {
        assert_eq!(of_text(&whole(), &solution()), []);
    }

    #[test]
    fn what_a_chapter_lacks_is_told_with_its_line() {
        let found =
            |text: &str| of_text(text, &solution()).into_iter().map(|(n, f)| format!("{n}: {f}")).collect::<Vec<_>>();
        assert_eq!(found(&whole().replace("## Tasks\n", "## Task\n")), ["22: here the section \"Tasks\" is due"]);
        let short = whole().replace("## Going further\n", "");
        assert_eq!(found(&short), ["36: here the section \"Going further\" is due"]);
        assert_eq!(found(&whole().replace("Hint 3", "3")), ["24: 2 hints under \"### Task 1\", not 3"]);
        assert_eq!(found(&whole().replace("### Task 1", "### Task 10")), ["24: 0 hints under \"### Task 1\", not 3"]);
        assert_eq!(found(&whole().replace("What?", "Simply put?")), ["11: \"Simply\": leave it out"]);
        assert_eq!(found(&whole().replace("console", "text")), ["15: no transcript: a block ```console"]);
        assert!(found(&whole().replace("<details>", ""))[0].contains("no prediction"));
    }
}
