//! Lab 03: PID 1, and what it owes the others.
//!
//! The first process of a PID namespace is its init. The kernel hands it every orphan, spares it the signals
//! it does not ask for, and ends the whole namespace when it ends.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::fs;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork};

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
    todo!("lab 03, task 1: unshare(2) with CLONE_NEWPID, then fork(2): the caller stays where it is, its next child moves")
}

/// Asks the kernel to kill the calling process with SIGKILL when the thread that forked it ends.
///
/// A parent that is gone already is not noticed: the caller must check for that by other means, after this
/// call. Source: PR_SET_PDEATHSIG(2const).
///
/// # Errors
/// None that a right call can meet.
pub fn die_with_parent() -> Result<()> {
    todo!("lab 03, task 2: prctl(2) with PR_SET_PDEATHSIG and SIGKILL")
}

/// The exit code that a shell would show for `status`: the code of a process that exited, 128 + n of one
/// that signal n killed, nothing for one that lives on (stopped, continued).
#[must_use]
pub fn exit_code(status: WaitStatus) -> Option<i32> {
    todo!("lab 03, task 3: match the two ways in which a process ends")
}

/// Blocks [`FORWARDED`] and SIGCHLD for the calling thread, and returns a descriptor that reads them.
///
/// To be called before the child is forked: a signal that arrives while there is no child yet waits in the
/// descriptor. The child inherits the mask and has to clear it before exec
/// (the runtime does). Source: signalfd(2).
///
/// # Errors
/// EMFILE when the process is out of descriptors.
pub fn watch_signals() -> Result<SignalFd> {
    todo!("lab 03, task 4: block the signals first, then make a signalfd of them, with SFD_CLOEXEC")
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
    todo!("lab 03, task 5: kill(2); but SIGKILL for a PID 1 that has no opinion about this signal")
}

/// Whether `process` sits in sigwait(3), as some inits do: until it returns, SigBlk: leaves out the signals
/// that it waits for, and a signal that comes is its own all the same. Given. Source: proc_pid_syscall(5).
fn sits_in_sigwait(process: Pid) -> bool {
    let call = fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
    call.split(' ').next() == Some(&libc::SYS_rt_sigtimedwait.to_string())
}

/// Reaps one child that has ended: its PID and its exit code; nothing when none has ended. Given.
///
/// nix's waitpid(2) would do but for one thing: nix has no name for a real-time signal (34 and above). For a
/// child that one has killed it returns EINVAL, the child being reaped already, and the end is lost.
/// Source: wait(2), signal(7).
///
/// # Errors
/// ECHILD when the caller has no child.
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

/// Waits for `main` as a good init does, and returns its exit code: passes on every signal that `signals`
/// reads, and reaps every child that ends meanwhile, its own and those that it inherits.
///
/// `signals` comes from [`watch_signals`].
///
/// # Errors
/// ECHILD when the caller has no child to wait for.
pub fn supervise(main: Pid, signals: &SignalFd) -> Result<i32> {
    todo!("lab 03, task 6: reap() until there is nothing to reap, then wait for a signal; return when main has ended")
}

/// The PIDs of one process, outermost namespace first, from `status`, the text of its `/proc/PID/status`.
///
/// The first is the PID in the namespace that the reader's `/proc` shows, the last the one in the process's
/// own namespace: the kernel keeps one number for each level. Source: proc_pid_status(5), `NSpid`.
///
/// # Errors
/// [`Error::Invalid`] when there is no `NSpid:` line, or what it holds are no numbers.
pub fn ns_pids(status: &str) -> Result<Vec<Pid>> {
    todo!("lab 03, task 7: find the NSpid: line and parse all its numbers")
}
