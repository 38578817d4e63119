//! The commands of `cargo author`: what makes the course, and what proves that it is whole.
//!
//! Each command gives its findings, one a fault of the course; an error is a check that could not be made.

mod all;
mod attacks;
mod audit;
mod bench;
mod bodies;
mod chapter;
mod engines;
mod forms;
pub mod host;
mod links;
mod mistakes;
mod prefixes;
mod right;
mod starters;
mod transcripts;
mod tree;
mod variant;

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::course::{Course, Lab, lab_number};
use bench::Bench;

/// Makes and checks the course: starters, mistakes, alternatives, forms.
#[derive(Debug, Parser)]
#[command(name = "cargo author", bin_name = "cargo author")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// A lab's number; without it, every lab.
#[derive(Debug, clap::Args)]
struct Which {
    #[arg(value_name = "NN", value_parser = lab_number)]
    lab: Option<u8>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes labs/ anew from solutions/
    Starters {
        /// Write nothing; fail, with a diff, when something is out of date
        #[arg(long)]
        check: bool,
    },
    /// Each mistake fails the test that it names, with words that nothing else earns, and leaves the host as it was
    Mistakes {
        #[command(flatten)]
        which: Which,
        /// This mistake alone, without comparing it with the others
        #[arg(long, value_name = "NAME", requires = "lab")]
        only: Option<String>,
        /// Build only, and put the programs, and a list of them, into this directory: to be run elsewhere
        #[arg(long, value_name = "DIR", conflicts_with = "only")]
        build: Option<PathBuf>,
    },
    /// Doing nothing in a region fails a test of its task
    Nothing(Which),
    /// Every test fails on the starters, and says what to write
    StarterTests(Which),
    /// Other right solutions pass
    Alternatives {
        #[command(flatten)]
        which: Which,
        /// Every lab a whole-file alternative, at once
        #[arg(long, conflicts_with = "lab")]
        all_in_one: bool,
    },
    /// Each attack works with every layer taken out of the source, and every wall refuses it alone
    Attacks {
        /// Build only, and put every `boxwright`, and a list of them, into this directory: to be run elsewhere
        #[arg(long, value_name = "DIR")]
        build: Option<PathBuf>,
    },
    /// The engines run containers on whole-file alternatives to every lab
    Engines,
    /// With only some labs written, their tests pass and `boxwright run` says what is missing
    Prefixes,
    /// Runs a command, and finds what it leaves on this machine
    Audit {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Every lab has its eight forms
    Forms,
    /// What takes no time: forms, and starters up to date
    Check,
    /// Everything, with the seconds of each part; faster than one after the other: what was tried is remembered, and
    /// every processor has a share
    All {
        /// Be a worker, with a copy of the course of its own; standard input is the queue
        #[arg(long, value_name = "NUMBER", hide = true)]
        worker: Option<usize>,
    },
    /// Runs the transcripts of the book under Shield
    Transcripts {
        #[command(flatten)]
        which: Which,
        /// Put what was printed into the chapters; what matches a wildcard stays
        #[arg(long)]
        write: bool,
    },
    /// Builds the book; checks its links and pictures, and that it loads nothing from outside
    Links,
}

/// Does what the command line says. `false`: the course has faults, and they have been told.
///
/// # Errors
/// The check itself could not be made; [`crate::Misuse`] for a lab or a mistake that there is not.
pub fn run(cli: &Cli) -> Result<bool> {
    let course = Course::find()?;
    let bench = || Bench::new(&course, 0);
    let findings = match &cli.command {
        Command::Starters { check } => starters::starters(&course, *check)?,
        Command::Mistakes { which, build: Some(directory), .. } => {
            each(which, &mut bench()?, |bench, lab| mistakes::build(bench, lab, &directory.join(lab.name())))?
        }
        Command::Mistakes { which, only, .. } => {
            each(which, &mut bench()?, |bench, lab| mistakes::mistakes(bench, lab, only.as_deref()))?
        }
        Command::Nothing(which) => each(which, &mut bench()?, mistakes::nothing)?,
        Command::StarterTests(which) => each(which, &mut bench()?, right::starter_tests)?,
        Command::Alternatives { all_in_one: true, .. } => right::all_in_one(&mut bench()?)?,
        Command::Alternatives { which, .. } => each(which, &mut bench()?, right::alternatives)?,
        Command::Attacks { build: None } => attacks::attacks(&mut bench()?)?,
        Command::Attacks { build: Some(directory) } => attacks::build(&mut bench()?, directory)?,
        Command::Engines => engines::engines(&mut bench()?)?,
        Command::Prefixes => prefixes::prefixes(&mut bench()?)?,
        Command::Transcripts { which, write } => transcripts::transcripts(&course, which.lab, *write)?,
        Command::Links => links::links(&course)?,
        Command::Audit { command } => audit::audit(&course, command)?,
        Command::Forms => forms::forms(&course)?,
        Command::Check => check(&course)?,
        Command::All { worker: None } => all::all(&course)?,
        Command::All { worker: Some(number) } => all::work(&course, *number)?,
    };
    for finding in &findings {
        say(format_args!("FAULT {finding}"));
    }
    match findings.len() {
        0 => say("no faults"),
        1 => say("1 fault"),
        count => say(format_args!("{count} faults")),
    }
    Ok(findings.is_empty())
}

fn check(course: &Course) -> Result<Vec<String>> {
    let mut findings = forms::forms(course)?;
    findings.extend(starters::starters(course, true)?);
    Ok(findings)
}

/// Does one thing for the chosen labs.
fn each(
    which: &Which,
    bench: &mut Bench,
    check: impl FnMut(&mut Bench, &Lab) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let course = bench.course.clone();
    each_of(course.choose(which.lab)?.into_iter(), bench, check)
}

fn each_of<'a>(
    labs: impl Iterator<Item = &'a Lab>,
    bench: &mut Bench,
    mut check: impl FnMut(&mut Bench, &Lab) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let course = bench.course.clone();
    let mut findings = Vec::new();
    for lab in labs {
        if !course.root.join(lab.tests()).exists() {
            findings.push(format!("{}: missing, so nothing can be tried", lab.tests().display()));
            continue;
        }
        findings.extend(check(bench, lab)?);
    }
    Ok(findings)
}

/// A line on standard output, which is where the report of a check belongs.
#[expect(clippy::print_stdout, reason = "the author's command reports here and nowhere else")]
fn say(line: impl Display) {
    println!("{line}");
}
