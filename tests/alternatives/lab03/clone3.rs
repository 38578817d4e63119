//! Lab 03 with the system calls themselves: clone3(2) in place of unshare and fork, and masks as numbers.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "raw system calls")]

use std::os::fd::{FromRawFd, OwnedFd};

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid};

/// See the solution.
pub const FORWARDED: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// See the solution.
pub fn start_pid1() -> Result<ForkResult> {
    // SAFETY: all zero is a valid clone_args.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = libc::CLONE_NEWPID as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is a fork: the child goes on with a copy of the stack. One thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match Errno::result(pid).during("clone3", "CLONE_NEWPID")? {
        0 => Ok(ForkResult::Child),
        child => Ok(ForkResult::Parent { child: Pid::from_raw(child as i32) }),
    }
}

/// See the solution.
pub fn die_with_parent() -> Result<()> {
    // SAFETY: prctl takes integers here.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })
        .map(drop)
        .during("prctl", "PR_SET_PDEATHSIG")
}

/// See the solution.
#[must_use]
pub fn exit_code(status: WaitStatus) -> Option<i32> {
    if let WaitStatus::Exited(_, code) = status {
        return Some(code);
    }
    if let WaitStatus::Signaled(_, signal, _) = status { Some(signal as i32 | 0x80) } else { None }
}

/// See the solution.
pub fn watch_signals() -> Result<SignalFd> {
    // SAFETY: an all-zero set is a place for sigemptyset to write; the others get pointers to it.
    let fd = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in FORWARDED {
            libc::sigaddset(&raw mut set, signal as i32);
        }
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        Errno::result(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))
            .during("sigprocmask", "SIG_BLOCK")?;
        Errno::result(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC)).during("signalfd", "-1")?
    };
    // SAFETY: the descriptor is new and a signalfd, and nobody else's.
    Ok(unsafe { SignalFd::from_owned_fd(OwnedFd::from_raw_fd(fd)) })
}

/// See the solution.
pub fn forward(signal: Signal, main: Pid) -> Result<()> {
    let number = if spares(main, signal as i32) { libc::SIGKILL } else { signal as i32 };
    // SAFETY: kill takes two integers.
    match Errno::result(unsafe { libc::kill(main.as_raw(), number) }) {
        Err(Errno::ESRCH) => Ok(()),
        result => result.map(drop).during("kill", main),
    }
}

/// Whether `process` is a PID 1 that the kernel spares the signal.
fn spares(process: Pid, number: i32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { return false };
    let Ok(call) = std::fs::read_to_string(format!("/proc/{process}/syscall")) else { return false };
    let mut is_pid1 = false;
    let mut minded = 0_u64;
    for line in status.lines() {
        match line.split_once(":\t") {
            Some(("NSpid", pids)) => is_pid1 = pids.ends_with("\t1"),
            Some(("SigBlk" | "SigIgn" | "SigCgt", mask)) => minded |= u64::from_str_radix(mask, 16).unwrap_or(u64::MAX),
            _ => {}
        }
    }
    is_pid1 && minded >> (number - 1) & 1 == 0 && !call.starts_with(&format!("{} ", libc::SYS_rt_sigtimedwait))
}

/// See the solution.
pub fn supervise(main: Pid, signals: &SignalFd) -> Result<i32> {
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes the status to the integer, which outlives the call.
        match Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }).during("waitpid", "-1")? {
            0 => match signals.read_signal().during("read", "signalfd")? {
                Some(info) if info.ssi_signo != libc::SIGCHLD as u32 => {
                    forward(Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?, main)?;
                }
                _ => {}
            },
            pid if pid == main.as_raw() => {
                let code =
                    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
                return Ok(code);
            }
            _ => {}
        }
    }
}

/// See the solution.
pub fn ns_pids(status: &str) -> Result<Vec<Pid>> {
    for line in status.split('\n') {
        let mut words = line.split('\t');
        if words.next() == Some("NSpid:") {
            let mut pids = Vec::new();
            for word in words {
                let pid =
                    word.parse().map_err(|error| Error::invalid("NSpid:", format!("{word}: {error}"), "a number"))?;
                pids.push(Pid::from_raw(pid));
            }
            return Ok(pids);
        }
    }
    Err(Error::invalid("/proc/PID/status", status, "it has a line NSpid:"))
}
