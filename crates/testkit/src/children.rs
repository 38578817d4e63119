//! Looking into the child of a fork, from a test.
#![allow(unsafe_code, reason = "fork")]

use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame;
use crate::patience::patience;
use crate::report::{self, Reply, exit_now};
use crate::sys;

/// How long a child may take; shorter than the shield's own deadline, so that the message is about the child.
const PATIENCE: Duration = Duration::from_secs(5);

/// A child that has ended, and what it found.
#[derive(Debug)]
pub struct Child<T> {
    /// Its PID as its parent knows it.
    pub pid: Pid,
    /// How it ended; `None` when somebody else waited for it.
    pub status: Option<WaitStatus>,
    /// What its closure returned.
    pub value: T,
}

/// A child that runs. Dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Running<T> {
    pid: Pid,
    pidfd: OwnedFd,
    read: OwnedFd,
    value: PhantomData<T>,
}

/// Runs `start`, the learner's verb that forks, and `body` in the child that it makes; waits for the child, and
/// returns what `body` returned. A panic in either process is the test's panic.
///
/// To be called under a [`Shield`](crate::Shield).
pub fn observe<T: Serialize + DeserializeOwned>(
    start: impl FnOnce() -> ForkResult,
    body: impl FnOnce() -> T,
) -> Child<T> {
    launch(start, body).wait()
}

/// As [`observe`], and returns while the child still runs.
pub fn launch<T: Serialize + DeserializeOwned>(
    start: impl FnOnce() -> ForkResult,
    body: impl FnOnce() -> T,
) -> Running<T> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let caller = nix::unistd::gettid();
    let original = report::OriginalOnly::new().expect("a page");
    // `start` may fail in the child too: so it is caught there, and its panic takes the pipe like any other.
    let started = report::catch(start);
    let copy = !original.is_original();
    let pid = match started {
        Reply::Value(ForkResult::Parent { child }) if !copy => child,
        Reply::Value(ForkResult::Child) if copy => {
            let _ = frame::send(&write, &report::catch(body));
            exit_now(0)
        }
        Reply::Panic(text) if copy => {
            let _ = frame::send(&write, &Reply::<T>::Panic(text));
            exit_now(1)
        }
        Reply::Panic(text) => report::fail_with(text),
        Reply::Value(ForkResult::Child) => crate::teach(
            "the child to be another process than the caller",
            format_args!("the caller itself ({caller}) was told that it is the child; nothing was forked"),
            "unshare(CLONE_NEWPID) alone makes no process: it decides where the next child is born",
            "lab03-pid.md, The kernel's rules",
        ),
        Reply::Value(ForkResult::Parent { .. }) => exit_now(1), // a copy that takes itself for the parent
    };
    drop(write);
    match sys::pidfd_open(pid) {
        Ok(pidfd) => Running { pid, pidfd, read, value: PhantomData },
        Err(_) => crate::teach(
            "the PID of a child that is there",
            format_args!("{pid}, which is no process"),
            "the parent's arm has to return the PID that fork(2) gave it",
            "lab03-pid.md, Tasks",
        ),
    }
}

impl<T> Running<T> {
    /// Its PID as its parent knows it.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it ends before `limit` is over, longer on a [slow](patience) machine; returns as soon as it has ended. It is not reaped.
    #[must_use]
    pub fn ends_within(&self, limit: Duration) -> bool {
        let limit = PollTimeout::try_from(patience(limit)).unwrap_or(PollTimeout::MAX);
        poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], limit).expect("poll") == 1
    }
}

impl<T: DeserializeOwned> Running<T> {
    /// Waits for its end, and returns what its closure returned. A panic in it is the test's panic.
    #[must_use]
    pub fn wait(self) -> Child<T> {
        let (bytes, in_time) =
            frame::read_until_exit(&self.read, &self.pidfd, Instant::now() + patience(PATIENCE)).expect("poll");
        if !in_time {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        let (pid, status) = (self.pid, waitpid(self.pid, None).ok());
        match frame::first(&bytes) {
            Some(Reply::Value(value)) => Child { pid, status, value },
            Some(Reply::Panic(text)) => report::fail_with(text),
            None => crate::teach(
                "the child to run the test's code",
                format_args!("no answer from it; it ended with {status:?}, in time: {in_time}"),
                match status {
                    Some(WaitStatus::Signaled(_, signal, _)) if is_forwarded(signal) => {
                        format!("it was killed by {signal}, which was not blocked: watch_signals, lab 03, task 4")
                    }
                    _ => "the child did something else than return from the function".to_owned(),
                },
                "lab03-pid.md, Tasks",
            ),
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        // Once it was waited for, its number may be another process's; the pidfd still means this one.
        if sys::pidfd_kill(&self.pidfd).is_ok() {
            let _ = waitpid(self.pid, None);
        }
    }
}

/// Runs `body` in a plain child, in the caller's namespaces as they are now, and returns its value.
pub fn in_child<T: Serialize + DeserializeOwned>(body: impl FnOnce() -> T) -> T {
    observe(plain_fork, body).value
}

/// As [`in_child`], and returns while the child still runs.
pub fn start_child<T: Serialize + DeserializeOwned>(body: impl FnOnce() -> T) -> Running<T> {
    launch(plain_fork, body)
}

/// The signals that a supervisor passes on; it has to block them first.
fn is_forwarded(signal: Signal) -> bool {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    matches!(signal, SIGHUP | SIGINT | SIGQUIT | SIGTERM | SIGUSR1 | SIGUSR2)
}

fn plain_fork() -> ForkResult {
    // SAFETY: under a shield the process has one thread.
    unsafe { fork() }.expect("fork")
}
