//! boxwright's command line: which words there are ([`flags`]), and what they mean as an OCI configuration
//! ([`spec`]).
//!
//! A package of its own because nothing in it depends on the labs: in the binary, clap's derived code would be
//! compiled again after every edit of a lab.

mod caps;
mod devices;
pub mod exec;
pub mod flags;
pub mod images;
mod mounts;
pub mod resources;
pub mod runbox;
pub mod seccomp;
mod security;
pub mod spec;

pub use flags::{Command, Driver, Exec, Flags, Format, Limits, Run, Userns, Volume, Whose};
pub use images::{Based, Commit, Images, Pull, System};
pub use mounts::Places;
pub use spec::Who;

use std::env;

use clap::Parser;

/// Reads the command line. Wrong use ends the process with one helpful line and exit code 2.
#[must_use]
pub fn parse() -> Flags {
    let mut flags = Flags::parse();
    if let Command::Run(run) = &mut flags.command {
        // clap tells the words that it was given, and not what stood before them.
        let words: Vec<_> = env::args_os().collect();
        let before = words.len().checked_sub(run.command.len() + 1);
        run.is_exact = before.is_some_and(|before| words[before] == "--");
    }
    flags
}
