//! `cargo author`: see [`workshop::author`].

use std::process::ExitCode;

use clap::Parser;
use workshop::Misuse;
use workshop::author::{self, Cli};

#[expect(clippy::print_stderr, reason = "errors are printed once, here")]
fn main() -> ExitCode {
    match author::run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo author: {error:#}");
            ExitCode::from(if error.is::<Misuse>() { 2 } else { 1 })
        }
    }
}
