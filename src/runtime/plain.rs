//! In place of lab 03 while it is not written: an ordinary child, waited for in the ordinary way.
//!
//! No PID namespace, no signals passed on, no end with the parent: that is what lab 03 is for.

#![allow(unsafe_code, reason = "fork and signal have no safe wrapper")]

use model::{During, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// fork(2).
pub fn start() -> Result<ForkResult> {
    // SAFETY: the caller has one thread, so that no lock can be held by a thread that the child lacks.
    unsafe { fork() }.during("fork", "the command")
}

/// waitpid(2), as system(3) does it: a Ctrl-C goes to the command too, so this process leaves it to that.
pub fn wait(child: Pid) -> Result<i32> {
    for ignored in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: SIG_IGN is no function of ours that would have to be safe to call.
        unsafe { signal(ignored, SigHandler::SigIgn) }.during("signal", ignored)?;
    }
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            Ok(WaitStatus::Exited(_, code)) => return Ok(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            other => drop(other.during("waitpid", child)?),
        }
    }
}
