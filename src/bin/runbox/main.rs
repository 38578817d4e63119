//! The runtime that engines call: `boxwright runbox` in a program of its own, without what else boxwright can do.
//!
//! Its `main` is C's. Before Rust's, std finds out where the stack ends, for whoever overruns it: 0.1 ms of a start that takes 7, and
//! twice, as runbox starts itself once more (`own_program`).

#![no_main]
#![allow(
    unsafe_code,
    reason = "this main is for the C library to call, and does by hand what is left of std's work before it"
)]

// A path, so that what command.rs is made of is looked for beside it, as it is from boxwright.
#[path = "command.rs"]
mod command;
#[cfg(all(target_feature = "crt-static", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod entry;

use std::process;

use clap::Parser;

// SAFETY: no other function of the program has the name that the C library calls.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    prepare();
    // Every code is 0 to 255: a command's own, or 128 and a signal.
    process::exit(u8::try_from(command::main(cli::runbox::Flags::parse)).unwrap_or(u8::MAX).into())
}

/// Three standard descriptors that are open, so that no file of ours is taken for one of them; and whoever writes where nobody reads
/// is told so, in place of being killed. Source: std, "rt".
fn prepare() {
    for fd in 0..3 {
        // SAFETY: what is asked is whether there is such a descriptor; a new one has the lowest number that is free, which is this.
        let is_open =
            unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 || libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) == fd };
        if !is_open {
            process::abort();
        }
    }
    // SAFETY: it is no function of ours that would have to be safe to call.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}
