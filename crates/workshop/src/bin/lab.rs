//! `cargo lab`: see [`workshop::lab`].

#![allow(unsafe_code, reason = "signal(2) has no safe wrapper")]

use std::process::ExitCode;

use nix::sys::signal::{SigHandler, Signal, signal};

fn main() -> ExitCode {
    // `cargo lab | head` ends without a word, as other programs do; Rust would make a panic of it.
    // SAFETY: no handler of anybody's is replaced: nothing has run yet. The default action calls no code of ours.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    workshop::lab::main()
}
