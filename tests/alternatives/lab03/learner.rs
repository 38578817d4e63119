//! Lab 03 as somebody solved it from the chapter and the starter alone: the signal first, and SIGKILL after it
//! when it cannot have helped; a helper that reaps.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::collections::HashMap;
use std::fs;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork};

/// See the starter.
pub const FORWARDED: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// See the starter.
pub fn start_pid1() -> Result<ForkResult> {
    unshare(CloneFlags::CLONE_NEWPID).during("unshare", "PID namespace")?;
    // SAFETY: the caller has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => Ok(ForkResult::Child),
        parent => parent.during("fork", "PID 1"),
    }
}

/// See the starter.
pub fn die_with_parent() -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).during("prctl", "PR_SET_PDEATHSIG")?;
    Ok(())
}

/// See the starter.
#[must_use]
pub fn exit_code(status: WaitStatus) -> Option<i32> {
    match status {
        WaitStatus::Exited(_pid, code) => Some(code),
        WaitStatus::Signaled(_pid, signal, _core_dumped) => Some(128 + signal as i32),
        _lives => None,
    }
}

/// See the starter.
pub fn watch_signals() -> Result<SignalFd> {
    let mut set = SigSet::empty();
    FORWARDED.iter().for_each(|signal| set.add(*signal));
    set.add(Signal::SIGCHLD);
    set.thread_block().during("sigprocmask", "FORWARDED, SIGCHLD")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).during("signalfd", "FORWARDED, SIGCHLD")
}

/// See the starter.
pub fn forward(signal: Signal, main: Pid) -> Result<()> {
    // Looked up before the signal: it may change what main does.
    let in_vain = is_in_vain(signal, main);
    send(signal, main)?;
    if in_vain { send(Signal::SIGKILL, main) } else { Ok(()) }
}

fn is_in_vain(signal: Signal, main: Pid) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{main}/status")) else { return false };
    let fields: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(":\t")).collect();
    let bit = 1_u64 << (signal as u32 - 1);
    let minds = |mask: &str| u64::from_str_radix(fields[mask], 16).is_ok_and(|mask| mask & bit == bit);
    fields["NSpid"].rsplit('\t').next() == Some("1")
        && !minds("SigCgt")
        && !minds("SigIgn")
        && !minds("SigBlk")
        && !sits_in_sigwait(main)
}

fn send(signal: Signal, main: Pid) -> Result<()> {
    kill(main, signal).or_else(|errno| if errno == Errno::ESRCH { Ok(()) } else { Err(errno) }).during("kill", main)
}

/// As given.
fn sits_in_sigwait(process: Pid) -> bool {
    let call = fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
    call.split(' ').next() == Some(&libc::SYS_rt_sigtimedwait.to_string())
}

/// See the starter.
pub fn supervise(main: Pid, signals: &SignalFd) -> Result<i32> {
    loop {
        if let Some(code) = reap_all(main)? {
            return Ok(code);
        }
        let Some(info) = signals.read_signal().during("read", "the signals")? else { continue };
        match Signal::try_from(info.ssi_signo as i32).during("read", "the signals")? {
            Signal::SIGCHLD => {}
            other => forward(other, main)?,
        }
    }
}

/// As given.
fn reap() -> Result<Option<(Pid, i32)>> {
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes the status to the integer, which outlives the call.
        let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }).during("waitpid", -1)?;
        if pid == 0 {
            return Ok(None);
        }
        let pid = Pid::from_raw(pid);
        let code = match WaitStatus::from_raw(pid, status) {
            Ok(status) => exit_code(status),
            Err(_) => Some(128 + libc::WTERMSIG(status)), // a signal without a name
        };
        if let Some(code) = code {
            return Ok(Some((pid, code)));
        }
    }
}

/// Waits for all who have ended. Main's exit code, when it is among them.
fn reap_all(main: Pid) -> Result<Option<i32>> {
    let mut code = None;
    loop {
        match reap() {
            Ok(None) => return Ok(code),
            Ok(Some((pid, its))) if pid == main => code = Some(its),
            Ok(Some(_orphan)) => {}
            // Main was the last of them.
            Err(error) if code.is_some() && error.errno() == Some(Errno::ECHILD) => return Ok(code),
            Err(error) => return Err(error),
        }
    }
}

/// See the starter.
pub fn ns_pids(status: &str) -> Result<Vec<Pid>> {
    let invalid = |value: &str| Error::invalid("/proc/PID/status", value, "NSpid: and numbers");
    for line in status.lines() {
        if let Some(rest) = line.strip_prefix("NSpid:") {
            return rest
                .split_whitespace()
                .map(|word| Ok(Pid::from_raw(word.parse().or(Err(invalid(rest)))?)))
                .collect();
        }
    }
    Err(invalid(status))
}
