//! `all`: every check, shared out to as many workers as there are processors.
//!
//! A worker is a process of its own, with its own copy of the course and its own target directory: what the tests of
//! a mistake leave running is told by whose descendant it is.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::bench::Bench;
use super::{check, links, mistakes, prefixes, right, say, transcripts};
use crate::course::{Course, Lab};

/// Whose turn it is: worker `number` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub number: usize,
    /// How many workers there are.
    pub count: usize,
}

impl Share {
    /// The only worker.
    pub const WHOLE: Share = Share { number: 0, count: 1 };

    /// Whether the `index`th of a list of equal things is this worker's.
    pub fn has(self, index: usize) -> bool {
        index % self.count == self.number
    }

    /// The labs whose mistakes this worker tries: the largest first, each to whoever has least.
    fn labs(self, course: &Course) -> Vec<Lab> {
        let size = |lab: &Lab| fs::read_dir(course.root.join(lab.mistakes())).map_or(0, Iterator::count);
        let mut labs = course.labs.clone();
        labs.sort_by_key(|lab| std::cmp::Reverse(size(lab)));
        let mut loads = vec![0; self.count];
        labs.retain(|lab| {
            let least = (0..self.count).min_by_key(|worker| loads[*worker]).unwrap_or(0);
            loads[least] += size(lab);
            least == self.number
        });
        labs.sort_by_key(|lab| lab.number);
        labs
    }
}

/// Shares the checks out, prints what each worker said, one after the other, and returns its findings.
pub fn all(course: &Course) -> Result<Vec<String>> {
    // What takes no time, and what fails most often.
    let mut findings = check(course)?;
    let count = thread::available_parallelism().map_or(1, usize::from);
    let workers: Vec<_> = (0..count).map(|number| start(number, count)).collect::<Result<_>>()?;
    for (number, (mut worker, mut output)) in workers.into_iter().enumerate() {
        let status = worker.wait().context("wait for a worker")?;
        let mut text = String::new();
        output.rewind()?;
        output.read_to_string(&mut text).context("read a worker's output")?;
        say(text.trim_end());
        let of_worker: Vec<_> = text.lines().filter(|line| line.starts_with("FAULT ")).collect();
        ensure!(status.success() || !of_worker.is_empty(), "worker {number} ended by {status}");
        findings.extend(of_worker.iter().map(|line| format!("{} (above)", line.trim_start_matches("FAULT "))));
    }
    // Not in a worker: glibc's posix_spawn(3) lets what it starts ignore two signals of its own, and so they show up in
    // the transcripts that look at signals.
    say("== transcripts");
    findings.extend(transcripts::transcripts(course, None, false)?);
    say("== links");
    findings.extend(links::links(course)?);
    Ok(findings)
}

fn start(number: usize, count: usize) -> Result<(Child, File)> {
    let output = tempfile::tempfile().context("make a file for a worker's output")?;
    let mut worker = Command::new(env::current_exe().context("find this program")?);
    worker.args(["all", "--worker", &format!("{number}/{count}")]).stdin(Stdio::null());
    worker.stdout(output.try_clone()?).stderr(output.try_clone()?);
    Ok((worker.spawn().context("start a worker")?, output))
}

/// One worker's share, with the seconds of each part.
pub fn share(course: &Course, share: Share) -> Result<Vec<String>> {
    type Part = fn(&mut Bench, Share) -> Result<Vec<String>>;
    let parts: [(&str, Part); 6] = [
        ("starter-tests", |bench, share| each(bench, share, right::starter_tests)),
        ("mistakes", |bench, share| each(bench, share, |bench, lab| mistakes::mistakes(bench, lab, None))),
        ("nothing", |bench, share| each(bench, share, mistakes::nothing)),
        ("alternatives", |bench, share| each(bench, share, right::alternatives)),
        ("prefixes", prefixes::prefixes),
        ("alternatives --all-in-one", |bench, share| if share.has(0) { right::all_in_one(bench) } else { Ok(vec![]) }),
    ];
    let mut bench = Bench::new(course, share)?;
    let (mut findings, mut times) = (Vec::new(), Vec::new());
    for (name, part) in parts {
        let start = Instant::now();
        say(format_args!("== {name}"));
        findings.extend(part(&mut bench, share)?);
        times.push((name, start.elapsed()));
    }
    say(format_args!("== seconds of worker {}", share.number));
    for (name, time) in times {
        say(format_args!("{:6.1}  {name}", time.as_secs_f32()));
    }
    Ok(findings)
}

fn each(
    bench: &mut Bench,
    share: Share,
    check: impl FnMut(&mut Bench, &Lab) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let labs = share.labs(&bench.course);
    super::each_of(labs.iter(), bench, check)
}

/// `0/2` of the command line.
pub fn parse(text: &str) -> Result<Share, String> {
    let share = text.split_once('/').and_then(|(number, count)| {
        let share = Share { number: number.parse().ok()?, count: count.parse().ok()? };
        (share.number < share.count).then_some(share)
    });
    share.ok_or_else(|| "K/N, K from 0 and less than N".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lab_is_one_workers() {
        let course = Course::find().unwrap();
        let of = |number| Share { number, count: 2 }.labs(&course);
        let mut all: Vec<_> = of(0).iter().chain(&of(1)).map(|lab| lab.number).collect();
        all.sort_unstable();
        assert_eq!(all, course.labs.iter().map(|lab| lab.number).collect::<Vec<_>>());
        assert_eq!(Share::WHOLE.labs(&course).len(), course.labs.len());
        assert!(parse("1/2").is_ok() && parse("2/2").is_err() && parse("x").is_err());
    }
}
