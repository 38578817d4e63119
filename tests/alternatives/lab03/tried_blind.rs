//! Lab 03 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::fs;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid};

/// The signals that are passed on to a container: those that people and engines send to ask for an end, a
/// reload or a report. (SIGKILL and SIGSTOP cannot be caught, so nobody can pass them on.)
pub const FORWARDED: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Starts a child that is PID 1 of a new PID namespace. Like fork(2) it returns twice.
///
/// The child's PID in [`ForkResult::Parent`] is the one that the caller's namespace knows it by.
/// Needs CAP_SYS_ADMIN and one thread only. Source: pid_namespaces(7).
///
/// # Errors
/// EPERM without the capability; EINVAL when the caller's children have a new namespace already: a process
/// gets one for them once in its life.
pub fn start_pid1() -> Result<ForkResult> {
    // Both steps in one, as crun does: fork is clone without flags.
    let flags = libc::CLONE_NEWPID | libc::SIGCHLD;
    // SAFETY: no stack of its own, so that it returns twice on copies of ours, as fork(2) does; one thread only.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match Errno::result(pid).during("clone", "CLONE_NEWPID")? {
        0 => Ok(ForkResult::Child),
        child => Ok(ForkResult::Parent { child: Pid::from_raw(child as i32) }),
    }
}

/// Asks the kernel to kill the calling process with SIGKILL when the thread that forked it ends.
///
/// A parent that is gone already is not noticed: the caller must check for that by other means, after this
/// call. Source: PR_SET_PDEATHSIG(2const).
///
/// # Errors
/// None that a right call can meet.
pub fn die_with_parent() -> Result<()> {
    // SAFETY: passes two numbers and touches no memory.
    let status = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    Errno::result(status).map(drop).during("prctl", "PR_SET_PDEATHSIG")
}

/// The exit code that a shell would show for `status`: the code of a process that exited, 128 + n of one
/// that signal n killed, nothing for one that lives on (stopped, continued).
#[must_use]
pub fn exit_code(status: WaitStatus) -> Option<i32> {
    use WaitStatus::{Exited, Signaled};
    match status {
        Exited(_, code) => Some(code),
        Signaled(_, signal, _core) => Some(128 + signal as i32),
        _ => None,
    }
}

/// Blocks [`FORWARDED`] and SIGCHLD for the calling thread, and returns a descriptor that reads them.
///
/// To be called before the child is forked: a signal that arrives while there is no child yet waits in the
/// descriptor. The child inherits the mask and has to clear it before exec. Source: signalfd(2).
///
/// # Errors
/// EMFILE when the process is out of descriptors.
pub fn watch_signals() -> Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in FORWARDED.iter().chain([&Signal::SIGCHLD]) {
        set.add(*signal);
    }
    // Before the block: nothing is read in between, and a failure leaves the mask as it was.
    let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).during("signalfd", "FORWARDED")?;
    set.thread_block().during("sigprocmask", "SIG_BLOCK")?;
    Ok(descriptor)
}

/// Passes `signal` on to `main`.
///
/// PID 1 of a namespace never gets a signal that it has no handler for: the kernel drops it. So when `main`
/// is such a PID 1 (the last number of `NSpid:` in its `/proc/PID/status` is 1) and the signal is neither
/// caught (`SigCgt:`), ignored (`SigIgn:`) nor blocked (`SigBlk:`), the default action, which is to
/// end, is carried out for it by SIGKILL. A PID 1 that [sits in sigwait](sits_in_sigwait) is spared, too.
/// Source: pid_namespaces(7), proc_pid_status(5).
///
/// # Errors
/// None when `main` has ended meanwhile. EPERM when it is another user's.
pub fn forward(signal: Signal, main: Pid) -> Result<()> {
    let status = fs::read_to_string(format!("/proc/{main}/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let is_init = ns_pids(&status).is_ok_and(|pids| pids.last() == Some(&Pid::from_raw(1)));
    let bit = signal as i32 - 1;
    let mut cares = sits_in_sigwait(main);
    for mask in ["SigCgt:", "SigIgn:", "SigBlk:"] {
        let mask = field(mask).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
        cares |= mask >> bit & 1 == 1;
    }
    let sent = if is_init && !cares { Signal::SIGKILL } else { signal };
    match kill(main, sent) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        refused => refused.during("kill", format!("{main} with {sent}")),
    }
}

/// Whether `process` sits in sigwait(3), as some inits do: until it returns, SigBlk: leaves out the signals
/// that it waits for, and a signal that comes is its own all the same. Given. Source: proc_pid_syscall(5).
fn sits_in_sigwait(process: Pid) -> bool {
    let call = fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
    call.split(' ').next() == Some(&libc::SYS_rt_sigtimedwait.to_string())
}

/// Waits for `main` as a good init does, and returns its exit code: passes on every signal that `signals`
/// reads, and reaps every child that ends meanwhile, its own and those that it inherits.
///
/// `signals` comes from [`watch_signals`].
///
/// # Errors
/// ECHILD when the caller has no child to wait for.
pub fn supervise(main: Pid, signals: &SignalFd) -> Result<i32> {
    loop {
        // One SIGCHLD may stand for many children: ask until nobody is left.
        while let Some((pid, code)) = ended()? {
            if pid == main {
                return Ok(code);
            }
        }
        let Some(info) = signals.read_signal().during("read", "signalfd")? else { continue };
        match Signal::try_from(info.ssi_signo as i32) {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(signal) => forward(signal, main)?,
        }
    }
}

/// A child that has ended, if there is one, with its exit code.
fn ended() -> Result<Option<(Pid, i32)>> {
    let mut status = 0;
    // SAFETY: the kernel writes the status to the integer, which outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    let pid = Pid::from_raw(Errno::result(pid).during("waitpid", "any child")?);
    if pid.as_raw() == 0 {
        return Ok(None);
    }
    // nix has no name for a real-time signal.
    let code = WaitStatus::from_raw(pid, status).map_or(Some(128 + libc::WTERMSIG(status)), exit_code);
    Ok(code.map(|code| (pid, code)))
}

/// The PIDs of one process, outermost namespace first, from `status`, the text of its `/proc/PID/status`.
///
/// The first is the PID in the namespace that the reader's `/proc` shows, the last the one in the process's
/// own namespace: the kernel keeps one number for each level. Source: proc_pid_status(5), `NSpid`.
///
/// # Errors
/// [`Error::Invalid`] when there is no `NSpid:` line, or what it holds are no numbers.
pub fn ns_pids(status: &str) -> Result<Vec<Pid>> {
    let no_list = |value: &str| Error::invalid("/proc/PID/status", value, "a line NSpid: with numbers");
    let line = status.lines().find(|line| line.starts_with("NSpid:")).ok_or_else(|| no_list(status))?;
    let mut pids = Vec::new();
    for word in line.split_ascii_whitespace().skip(1) {
        pids.push(Pid::from_raw(word.parse().map_err(|_| no_list(line))?));
    }
    Ok(pids)
}
