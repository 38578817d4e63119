//! `all`: every check, by one worker more than there are processors, since tests wait more than they work. Who has nothing
//! to do takes the next from a queue.
//!
//! A worker is a process of its own, with its own copy of the course and its own target directory: what the tests of
//! a mistake leave running is told by whose descendant it is.

use std::env;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::bench::Bench;
use super::prefixes::{self, State};
use super::{attacks, check, engines, links, mistakes, right, say, transcripts};
use crate::course::{Course, Lab};

/// What a worker takes at a time.
enum Unit {
    /// Everything that is tried with one lab.
    Lab(Lab),
    /// The labs written so far, in one of many ways.
    State(State),
    /// A whole-file alternative for every lab at once.
    AllInOne,
    /// Every attack in every state.
    Attacks,
}

/// Every unit, in the same order for every worker: the large ones first, so that nobody is left with one at the end.
fn units(course: &Course) -> Vec<Unit> {
    let size = |lab: &Lab| fs::read_dir(course.root.join(lab.mistakes())).map_or(0, Iterator::count);
    let mut labs = course.labs.clone();
    labs.sort_by_key(|lab| std::cmp::Reverse(size(lab)));
    let states = prefixes::states(&course.labs).into_iter().map(Unit::State);
    labs.into_iter().map(Unit::Lab).chain([Unit::AllInOne, Unit::Attacks]).chain(states).collect()
}

/// Shares the checks out, prints what each worker said, one after the other, and returns its findings.
pub fn all(course: &Course) -> Result<Vec<String>> {
    // What takes no time, and what fails most often.
    let mut findings = check(course)?;
    let count = thread::available_parallelism().map_or(1, usize::from) + 1;
    let (queue, mut units_left) = io::pipe().context("make the queue")?;
    let numbers =
        (0..u8::try_from(units(course).len()).context("more units than a byte can number")?).collect::<Vec<_>>();
    units_left.write_all(&numbers).context("fill the queue")?;
    drop(units_left);
    let workers: Vec<_> = (0..count).map(|number| start(number, &queue)).collect::<Result<_>>()?;
    for (number, (mut worker, mut output)) in workers.into_iter().enumerate() {
        let status = worker.wait().context("wait for a worker")?;
        let mut text = String::new();
        output.rewind()?;
        output.read_to_string(&mut text).context("read a worker's output")?;
        say(text.trim_end());
        let of_worker = faults(&text);
        ensure!(status.success() || !of_worker.is_empty(), "worker {number} ended by {status}");
        findings.extend(of_worker);
    }
    // Not in a worker: glibc's posix_spawn(3) lets what it starts ignore two signals of its own, and so they show up in
    // the transcripts that look at signals.
    say("== transcripts");
    findings.extend(transcripts::transcripts(course, None, false)?);
    say("== links");
    findings.extend(links::links(course)?);
    say("== engines");
    findings.extend(engines::engines(&mut Bench::new(course, 0)?)?);
    Ok(findings)
}

/// The faults in what a worker said, each with the indented lines below it.
fn faults(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match (line.strip_prefix("FAULT "), found.last_mut()) {
            (Some(fault), _) => found.push(fault.to_owned()),
            (None, Some(fault)) if is_open && line.starts_with(' ') => fault.extend(["\n", line]),
            _ => {
                is_open = false;
                continue;
            }
        }
        is_open = true;
    }
    found
}

fn start(number: usize, queue: &PipeReader) -> Result<(Child, File)> {
    let output = tempfile::tempfile().context("make a file for a worker's output")?;
    let mut worker = Command::new(env::current_exe().context("find this program")?);
    worker.args(["all", "--worker", &number.to_string()]).stdin(queue.try_clone()?);
    worker.stdout(output.try_clone()?).stderr(output.try_clone()?);
    Ok((worker.spawn().context("start a worker")?, output))
}

/// One worker: takes the number of a unit from the queue, its standard input, until there is none.
pub fn work(course: &Course, number: usize) -> Result<Vec<String>> {
    let units = units(course);
    // Not by std's handle, which would take all that is in the queue.
    let mut queue = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut bench = Bench::new(course, number)?;
    let (mut findings, mut next) = (Vec::new(), [0]);
    while queue.read(&mut next).context("read the queue")? > 0 {
        let (unit, start) = (&units[usize::from(next[0])], Instant::now());
        findings.extend(try_unit(&mut bench, unit)?);
        if let Unit::Lab(lab) = unit {
            say(format_args!("== {}: {:.1} s", lab.name(), start.elapsed().as_secs_f32()));
        }
    }
    Ok(findings)
}

fn try_unit(bench: &mut Bench, unit: &Unit) -> Result<Vec<String>> {
    let lab = match unit {
        Unit::Lab(lab) => lab,
        Unit::State(state) => return prefixes::state(bench, state),
        Unit::AllInOne => return right::all_in_one(bench),
        Unit::Attacks => return attacks::attacks(bench),
    };
    let mut findings = Vec::new();
    type Check = fn(&mut Bench, &Lab) -> Result<Vec<String>>;
    let checks: [Check; 4] = [
        right::starter_tests,
        |bench, lab| mistakes::mistakes(bench, lab, None),
        mistakes::nothing,
        right::alternatives,
    ];
    for check in checks {
        findings.extend(super::each_of([lab].into_iter(), bench, check)?);
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_details() {
        let text = "  a table\nFAULT x.rs: a\n    why\n    …\nlab01: passes\n    no\nFAULT b\nFAULT c\n";
        assert_eq!(faults(text), ["x.rs: a\n    why\n    …", "b", "c"]);
    }

    #[test]
    fn every_lab_and_every_state_is_somebodys() {
        let course = Course::find().unwrap();
        let units = units(&course);
        let labs = units.iter().filter(|unit| matches!(unit, Unit::Lab(_))).count();
        let states = units.iter().filter(|unit| matches!(unit, Unit::State(_))).count();
        assert_eq!((labs, states), (course.labs.len(), 3 * course.labs.len() - 1));
        assert!(u8::try_from(units.len()).is_ok());
    }
}
