//! Lab 03 by somebody who polls: main's end comes from a pidfd, signals go through it, and the descriptor of
//! the signals never blocks.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "fork, pidfd_open")]

use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork};

/// See the solution.
pub const FORWARDED: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR2, Signal::SIGUSR1];

/// See the solution.
pub fn start_pid1() -> Result<ForkResult> {
    unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
    // SAFETY: the callers have one thread.
    unsafe { fork() }.during("fork", "PID 1")
}

/// See the solution.
pub fn die_with_parent() -> Result<()> {
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL)).during("prctl", "PR_SET_PDEATHSIG")
}

/// See the solution.
#[must_use]
pub fn exit_code(status: WaitStatus) -> Option<i32> {
    match status {
        WaitStatus::Exited(_, code) => Some(code),
        WaitStatus::Signaled(_, signal, _) => Some(signal as i32 + 128),
        WaitStatus::StillAlive | WaitStatus::Continued(_) | WaitStatus::Stopped(..) => None,
        _ => None,
    }
}

/// See the solution.
pub fn watch_signals() -> Result<SignalFd> {
    let mut set = SigSet::from(Signal::SIGCHLD);
    set.extend(FORWARDED);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).during("sigprocmask", "SIG_BLOCK")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).during("signalfd", "SFD_NONBLOCK")
}

fn pidfd_open(pid: Pid) -> std::result::Result<OwnedFd, Errno> {
    // SAFETY: two integers in, a new descriptor out that nobody else has.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// See the solution.
pub fn forward(signal: Signal, main: Pid) -> Result<()> {
    let main_fd = match pidfd_open(main) {
        Err(Errno::ESRCH) => return Ok(()),
        result => result.during("pidfd_open", main)?,
    };
    let read = |name: &str| fs::read_to_string(format!("/proc/{main}/{name}")).unwrap_or_default();
    let status = read("status");
    let mask = |name: &str| {
        let text = status.split('\n').find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        u64::from_str_radix(text.trim(), 16).unwrap_or(0)
    };
    let minded = mask("SigBlk:") | mask("SigIgn:") | mask("SigCgt:");
    let is_pid1 = ns_pids(&status).is_ok_and(|pids| pids.last() == Some(&Pid::from_raw(1)));
    let waits = read("syscall").split(' ').next() == Some(libc::SYS_rt_sigtimedwait.to_string().as_str());
    let send = match is_pid1 && !waits && minded & (1 << (signal as u64 - 1)) == 0 {
        true => Signal::SIGKILL,
        false => signal,
    };
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a descriptor, a number and a null siginfo, which stands for what kill(2) would send.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, main_fd.as_raw_fd(), send as i32, nothing, 0) };
    match Errno::result(sent) {
        Err(Errno::ESRCH) => Ok(()),
        result => result.map(drop).during("pidfd_send_signal", main),
    }
}

/// waitid(2): the PID and the exit code of one that has ended. nix's fails when a real-time signal killed it.
fn waitid(of: libc::idtype_t, id: i32, flags: i32) -> Result<Option<(Pid, i32)>> {
    // SAFETY: all zero is a siginfo_t that tells of nobody, and the kernel writes to it alone.
    let (result, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        (libc::waitid(of, id as libc::id_t, &raw mut info, libc::WEXITED | flags), info)
    };
    Errno::result(result).during("waitid", id)?;
    // SAFETY: the fields of a SIGCHLD are those that waitid fills in.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let code = if info.si_code == libc::CLD_EXITED { status } else { 128 + status };
    Ok(Some((Pid::from_raw(pid), code)).filter(|_| pid != 0))
}

/// See the solution.
pub fn supervise(main: Pid, signals: &SignalFd) -> Result<i32> {
    let main_fd = pidfd_open(main).during("pidfd_open", main)?;
    loop {
        // Main last, so that orphans that ended before it are reaped as well.
        let peek = libc::WNOHANG | libc::WNOWAIT;
        while let Some((ended, _)) = waitid(libc::P_ALL, 0, peek)?.filter(|(pid, _)| *pid != main) {
            waitid(libc::P_PID, ended.as_raw(), 0)?;
        }
        if let Some((_, code)) = waitid(libc::P_PIDFD, main_fd.as_raw_fd(), libc::WNOHANG)? {
            return Ok(code);
        }
        let mut ready =
            [PollFd::new(main_fd.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            result => drop(result.during("poll", "main and the signals")?),
        }
        while let Ok(Some(info)) = signals.read_signal() {
            match Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")? {
                Signal::SIGCHLD => {}
                signal => forward(signal, main)?,
            }
        }
    }
}

/// See the solution.
pub fn ns_pids(status: &str) -> Result<Vec<Pid>> {
    let wrong = || Error::invalid("/proc/PID/status", status, "it has a line NSpid: with numbers");
    let (_, rest) =
        ["\n", status].concat().split_once("\nNSpid:").map(|(a, b)| (a.len(), b.to_owned())).ok_or_else(wrong)?;
    let line = rest.lines().next().unwrap_or_default();
    line.split_ascii_whitespace()
        .map(|word| {
            word.parse()
                .map(Pid::from_raw)
                .map_err(|error: std::num::ParseIntError| Error::invalid("NSpid:", error.to_string(), "a number"))
        })
        .collect()
}
