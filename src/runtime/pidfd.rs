//! Signals to processes by a descriptor: what has the PID later is never meant.

#![allow(unsafe_code, reason = "nix has no pidfd_open and no pidfd_send_signal")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

use model::{Container, During, Result, State};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::cgroup::thaw_for_the_end;

/// Opens a process; `None` when it is gone. Source: pidfd_open(2).
pub fn open(pid: Pid) -> Result<Option<OwnedFd>> {
    // SAFETY: two integers; a descriptor that comes back is nobody else's.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match Errno::result(fd) {
        // SAFETY: pidfd_open returned it a moment ago, and nobody else knows of it.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) })),
        Err(Errno::ESRCH) => Ok(None),
        Err(errno) => Err(errno).during("pidfd_open", pid),
    }
}

/// Opens the first process of a container; `None` when it has ended.
fn open_first(state: &State) -> Result<Option<OwnedFd>> {
    let Some(fd) = (state.pid > 0).then(|| open(state.pid())).transpose()?.flatten() else { return Ok(None) };
    // After it was opened: whoever is there now is who the descriptor names.
    Ok(state.is_alive().then_some(fd))
}

/// Source: pidfd_send_signal(2).
fn send(fd: &OwnedFd, signal: i32, pid: Pid) -> Result<()> {
    // SAFETY: an open descriptor, two integers, and a null pointer, for which the kernel fills in the sender.
    let status = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, ptr::null::<libc::siginfo_t>(), 0)
    };
    match Errno::result(status) {
        // It has ended meanwhile, and nobody is left to be told.
        Err(Errno::ESRCH) => Ok(()),
        result => result.map(drop).during("pidfd_send_signal", format_args!("{signal} to {pid}")),
    }
}

/// Sends `signal` to the first process of a container.
pub fn signal(state: &State, signal: i32) -> Result<()> {
    open_first(state)?.map_or(Ok(()), |fd| send(&fd, signal, state.pid()))
}

/// Sends `signal` to every process of a container: of its cgroup and the groups below. Of one without a cgroup, as an ordinary user's may
/// be, nobody knows more than the first process, whose end is the end of its PID namespace.
///
/// # Errors
/// A process that may not be sent it; what is noted of the cgroup cannot be read.
pub fn signal_all(container: &Container, signal: i32) -> Result<()> {
    let group = container.cgroup()?;
    if group.parts().is_empty() {
        return self::signal(&container.state, signal);
    }
    if signal == libc::SIGKILL {
        return group.kill();
    }
    for pid in group.tree_processes()? {
        if let Some(fd) = open(pid)? {
            send(&fd, signal, pid)?;
        }
    }
    Ok(())
}

/// Kills the first process of a container, and with it all of its PID namespace, and waits for its end, some seconds at most.
pub fn end(container: &Container) -> Result<()> {
    let state = &container.state;
    let Some(fd) = open_first(state)? else { return Ok(()) };
    thaw_for_the_end(container.cgroup().ok().as_ref());
    send(&fd, libc::SIGKILL, state.pid())?;
    match wait(&fd, Some(Duration::from_secs(10)))? {
        true => Ok(()),
        false => Err(Errno::EBUSY).during("end", "the container's first process"),
    }
}

/// Waits until a process has ended: at once then, not at the next look. Whether it has, with this much patience.
pub fn wait(fd: &OwnedFd, patience: Option<Duration>) -> Result<bool> {
    let deadline = patience.map(|time| Instant::now() + time);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // No more than a poll can take; then again.
        let timeout = left.map(|left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout.unwrap_or(PollTimeout::NONE)) {
            Err(Errno::EINTR) => {}
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(false),
            Ok(0) => {}
            result => return result.map(|_| true).during("poll", "a process"),
        }
    }
}
