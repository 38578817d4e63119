//! The runtime that engines call: `boxwright runbox` in a program of its own, without what else boxwright can do.

// A path, so that what command.rs is made of is looked for beside it, as it is from boxwright.
#[path = "command.rs"]
mod command;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Every code is 0 to 255: a command's own, or 128 and a signal.
    ExitCode::from(u8::try_from(command::main(cli::runbox::Flags::parse)).unwrap_or(u8::MAX))
}
