//! The pause process of a pod: it does nothing, and so the namespaces that it is in are there for others.
//!
//! A namespace is there as long as a process is in it. A PID namespace lives and dies with its first process, whom it also hands
//! every orphan. So the one that a pod is built on has to stay, to reap, and to end when it is told to.

#![allow(unsafe_code, reason = "close_range has no safe wrapper")]

use std::convert::Infallible;

use model::{During, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::exec::exit_now;

/// Stays until SIGTERM or SIGINT.
pub fn stay() -> Result<Infallible> {
    // SAFETY: nothing that owns one of these descriptors is used or dropped again: this process ends below.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    // Blocked, and read: the kernel spares the first process of a PID namespace every signal that it has no word on.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD].into_iter().collect();
    signals.thread_block().during("sigprocmask", "SIG_BLOCK")?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).during("signalfd", "the end")?;
    loop {
        let seen = signals.read_signal().during("read", "signalfd")?;
        if seen.is_some_and(|info| info.ssi_signo != Signal::SIGCHLD as u32) {
            exit_now(0);
        }
        // One signal may stand for several ends.
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(end) if end != WaitStatus::StillAlive) {}
    }
}
