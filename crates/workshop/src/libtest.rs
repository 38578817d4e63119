//! Builds a lab's test program, runs it, and reads what it said.
//!
//! Building and running are two steps, so that a build that fails is never taken for a test that fails,
//! only the running is under a time limit, and the program can be started in another way (`sudo`).

mod report;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
pub use report::{Ended, Report, Skip, Status, Test};

use crate::process;

/// How cargo is called for the labs.
#[derive(Debug, Clone)]
pub struct Cargo {
    /// The directory with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// `None`: cargo's own choice, usually `target` in the root.
    pub target_dir: Option<PathBuf>,
    /// Whether the reference stands in for the learner's files.
    pub solutions: bool,
    /// Whether rustc's messages hold terminal colours.
    pub color: bool,
}

/// What came of building.
#[derive(Debug, Clone)]
pub enum Build {
    /// It compiles.
    Ready {
        /// The program that was asked for.
        program: PathBuf,
        /// rustc's warnings, as it would print them.
        warnings: String,
    },
    /// It does not compile.
    Failed {
        /// rustc's errors as it would print them, or cargo's own when rustc had none. No warnings.
        rendered: String,
    },
}

impl Cargo {
    /// The learner's files in `root`, no colours.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), target_dir: None, solutions: false, color: false }
    }

    /// Builds the test target `test`, say `lab01`, and the binaries that it starts.
    ///
    /// # Errors
    /// Cargo cannot be started, or builds and names no program.
    pub fn build_test(&self, test: &str) -> Result<Build> {
        self.build(&["test", "--no-run", "--test", test], test)
    }

    /// Builds the binary `bin` of the root package.
    ///
    /// # Errors
    /// As [`Cargo::build_test`].
    pub fn build_bin(&self, bin: &str) -> Result<Build> {
        self.build(&["build", "--bin", bin], bin)
    }

    fn build(&self, what: &[&str], target: &str) -> Result<Build> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let format = if self.color { "json-diagnostic-rendered-ansi" } else { "json" };
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).args(what).args(["--quiet", "--message-format", format]);
        if self.solutions {
            command.args(["--features", "reference"]);
        }
        if let Some(dir) = &self.target_dir {
            // Nobody debugs what is built there, and linking is most of an edit's time.
            command.env("CARGO_TARGET_DIR", dir).env("CARGO_PROFILE_DEV_DEBUG", "0");
        }
        let output = command.output().context("start cargo: is it in PATH?")?;
        let messages = report::messages(&String::from_utf8_lossy(&output.stdout), target);
        if !output.status.success() {
            let of_cargo = String::from_utf8_lossy(&output.stderr).into_owned();
            let rendered = if messages.errors.is_empty() { of_cargo } else { messages.errors };
            return Ok(Build::Failed { rendered });
        }
        match messages.program {
            Some(program) => Ok(Build::Ready { program, warnings: messages.warnings }),
            None => bail!("cargo built {target} and named no program"),
        }
    }

    /// The command that runs a test program as cargo would. Wrap it, or give it to [`run`].
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_MANIFEST_DIR", &self.root);
        command
    }
}

/// Runs a test program, with whatever arguments it was given, and reads its report.
///
/// # Errors
/// It cannot be started.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Report> {
    // A todo! tells where to go: no need of a trace of how it came there. Colour would hide the words.
    let finished = process::run(command.env("RUST_BACKTRACE", "0").args(["--color", "never"]), limit)?;
    Ok(Report::read(&finished))
}
