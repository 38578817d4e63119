//! The commands of `cargo lab`.
//!
//! - [`dashboard`], [`doctor`]: how far one is, and what this machine can do ([`needs`], [`tries`]);
//! - [`check`], [`watch`], [`build_help`], [`sudo`]: a lab's tests;
//! - [`hint`], [`open`], [`swap`]: help, another text in place of the learner's;
//! - [`shell`], [`demo`], [`plot`], [`vm`]: the real thing, to try things in, to look at, to measure;
//! - [`update`], [`clean`]: the course's own upkeep;
//! - [`state`], [`kept`], [`status`]: what is remembered, what is set aside, what that means.

pub mod build_help;
pub mod check;
pub mod clean;
pub mod dashboard;
pub mod demo;
pub mod doctor;
pub mod hint;
pub mod kept;
pub mod needs;
pub mod open;
pub mod paint;
pub mod plot;
pub mod shell;
pub mod state;
pub mod status;
pub mod sudo;
pub mod swap;
pub mod tries;
pub mod update;
pub mod vm;
pub mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::check::As;
use self::paint::BAD;
use crate::course::{Course, Lab};

/// The course at the command line: what you have done, what is next, and help on the way.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Cmd>,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Say what this machine can do, lab by lab, and how to mend the rest
    Doctor {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Run the tests of a lab
    Test {
        /// The lab: `1`, `01`, `lab01` or `uts`
        lab: String,
        /// Run them as root, through sudo; the build stays yours
        #[arg(long)]
        root: bool,
    },
    /// Run the tests of a lab each time its file is saved
    Watch {
        /// The lab; without it, the one whose file was saved
        lab: Option<String>,
    },
    /// Show one more hint for the first open task
    Hint {
        /// The lab
        lab: String,
        /// For this task instead
        #[arg(long)]
        task: Option<u8>,
    },
    /// Compare your file with the reference
    Diff {
        /// The lab
        lab: String,
    },
    /// Start a lab again; your file is kept aside
    Reset {
        /// The lab
        lab: String,
    },
    /// Put the reference in place and go on; your file is kept aside
    Skip {
        /// The lab
        lab: String,
    },
    /// Open the chapter of a lab
    Open {
        /// The lab
        lab: String,
    },
    /// Remove what an interrupted run left behind
    Clean,
    /// Start a shell under the shield that the tests run under, to try things in
    Shell {
        /// As an ordinary user with subordinate ids, not as root
        #[arg(long)]
        user: bool,
    },
    /// Start a real container of the finished runtime, and show what it sees
    Demo,
    /// Run a command, or a shell, in a virtual machine: these files, another kernel, cgroup v2
    Vm {
        /// Another kernel than Debian's: a bzImage, or a directory that it was built in
        #[arg(long, value_name = "PATH")]
        kernel: Option<PathBuf>,
        /// What to run there as root, in the course's directory; nothing it writes stays
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Measure containers of the finished runtime, and draw what came out
    Plot {
        /// What to measure
        subject: plot::Subject,
        /// Where the picture goes [default: target/plots/SUBJECT.svg]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Pull a new version of the course; your labs stay yours
    Update,
}

/// Wrong use: one helpful line, exit code 2.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The whole program: reads the command line, prints errors once, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("{BAD}error{BAD:#}: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// Success when all is well: tests green, machine ready.
fn run(cli: &Cli) -> Result<ExitCode> {
    let course = Course::find()?;
    update::recover(&course.root)?;
    let lab = |name: &String| find(&course, name);
    let code = |is_well: bool| if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match &cli.command {
        None => dashboard::run(&course, cli.json)?,
        Some(Cmd::Doctor { json }) => return doctor::run(&course, *json || cli.json).map(code),
        Some(_) if cli.json => return Err(Usage("--json goes with `cargo lab` and `cargo lab doctor`".into()).into()),
        Some(Cmd::Test { lab: name, root }) => {
            return check::run(&course, lab(name)?, if *root { As::Root } else { As::Caller }).map(code);
        }
        Some(Cmd::Watch { lab: name }) => watch::run(&course, name.as_ref().map(lab).transpose()?)?,
        Some(Cmd::Hint { lab: name, task }) => hint::run(&course, lab(name)?, *task)?,
        Some(Cmd::Diff { lab: name }) => swap::diff(&course, lab(name)?)?,
        Some(Cmd::Reset { lab: name }) => swap::reset(&course, lab(name)?)?,
        Some(Cmd::Skip { lab: name }) => swap::skip(&course, lab(name)?)?,
        Some(Cmd::Open { lab: name }) => open::run(&course, lab(name)?)?,
        Some(Cmd::Clean) => clean::run(&course)?,
        Some(Cmd::Shell { user }) => return shell::run(&course, *user).map(code),
        Some(Cmd::Demo) => return demo::run(&course).map(code),
        Some(Cmd::Vm { kernel, command }) => return vm::run(&course, kernel.as_deref(), command),
        Some(Cmd::Plot { subject, output }) => plot::run(&course, *subject, output.clone())?,
        Some(Cmd::Update) => update::run(&course)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The lab that `name` means: its number, `lab01`, or its topic.
fn find<'a>(course: &'a Course, name: &str) -> Result<&'a Lab> {
    let number = name.strip_prefix("lab").unwrap_or(name).parse().ok();
    let found = course.labs.iter().find(|lab| Some(lab.number) == number || lab.topic == name || lab.stem() == name);
    found.ok_or_else(|| {
        let labs: Vec<_> = course.labs.iter().map(|lab| format!("{} {}", lab.number, lab.topic)).collect();
        Usage(format!("there is no lab {name:?}; there are {}", labs.join(", "))).into()
    })
}
