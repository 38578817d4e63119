//! Shield: a learner's code runs here, so that an accident stays here.
//!
//! ```text
//! test process ── fork 1  "the host": fresh namespaces, everything read-only, waits for
//!                   └──── fork 2  PID 1 of the shield: reaps, audits the host before and after
//!                           └──── fork 3  the closure, with the learner's code
//! ```
//!
//! It stops accidents, not malice: code that remounts read-write gets out.
#![allow(unsafe_code, reason = "fork")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audit::{self, Finding};
use crate::cgroup::TestGroup;
use crate::failure::Failure;
use crate::patience::patience;
use crate::report::{self, OriginalOnly, Reply, exit_now};
use crate::{frame, host, proc_modes, sys, user};

/// How long a closure may take unless the test says otherwise, on a machine that is not [slow](patience).
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Runs `closure` in a [`Shield`] with the defaults, and returns its value.
#[track_caller]
pub fn shielded<T: Serialize + DeserializeOwned>(closure: impl FnOnce() -> T) -> T {
    Shield::new().run(closure)
}

/// A throw-away host for one closure. See the module's head.
#[derive(Debug, Clone)]
pub struct Shield {
    deadline: Duration,
    cgroup: bool,
    audited: bool,
    identity: host::Identity,
}

/// From fork 3, once the closure has returned.
#[derive(Serialize, Deserialize)]
struct Returned<T> {
    reply: Reply<T>,
    findings: Vec<Finding>,
}

/// From fork 2, once fork 3 has ended.
#[derive(Serialize, Deserialize)]
struct Ended {
    how: String,
    findings: Vec<Finding>,
}

impl Default for Shield {
    fn default() -> Self {
        Shield { deadline: patience(DEADLINE), cgroup: false, audited: true, identity: host::Identity::Root }
    }
}

impl Shield {
    /// A shield with the default deadline, no cgroup, and root inside.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another deadline than [`DEADLINE`], as long as it takes on most machines.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Shield { deadline: patience(deadline), ..self }
    }

    /// With a cgroup of the test's own, below the caller's, in every hierarchy that the caller may write; the only part of
    /// `/sys/fs/cgroup` that is writable. [`cgroup_dirs`](crate::cgroup_dirs) names it from inside.
    #[must_use]
    pub fn cgroup(self) -> Self {
        Shield { cgroup: true, ..self }
    }

    /// What the closure does to the layer that stands for the host is no failure: for the experiments of the book,
    /// where half of them show exactly that.
    #[must_use]
    pub fn unaudited(self) -> Self {
        Shield { audited: false, ..self }
    }

    /// Root inside has ids to give away, on a machine whose `/etc/subuid` gives [`SUBORDINATE`](crate::SUBORDINATE) to the
    /// user `learner`, who is [`USER`](crate::USER). Without this, an ordinary user's shield has one id, and setgroups(2) is
    /// denied in it for good.
    ///
    /// Needs root, or `newuidmap` and a range in the real `/etc/subuid` (`needs!(subuid)`).
    #[must_use]
    pub fn with_ids(self) -> Self {
        Shield { identity: host::Identity::RootWithIds, ..self }
    }

    /// The closure runs as an ordinary user, uid 1000 inside, on a machine whose `/etc/subuid` gives that user
    /// a range and whose `newuidmap` is set-UID root: rootless containers, seen from where they start.
    ///
    /// Needs root, or `newuidmap` and a range in the real `/etc/subuid` (`needs!(subuid)`).
    #[must_use]
    pub fn as_user(self) -> Self {
        Shield { identity: host::Identity::User, ..self }
    }

    /// Runs `closure` under the shield and returns its value.
    ///
    /// # Panics
    /// With the message for the learner, when the closure panics, takes too long, or changes the host.
    #[track_caller]
    pub fn run<T: Serialize + DeserializeOwned>(&self, closure: impl FnOnce() -> T) -> T {
        self.try_run(closure).unwrap_or_else(|failure| {
            // Printed here and raised without the hook: no "thread panicked at", no backtrace.
            #[expect(clippy::print_stderr, reason = "libtest captures it as the test's output")]
            {
                eprintln!("{failure}");
            }
            panic::resume_unwind(Box::new(failure.to_string()))
        })
    }

    /// As [`Shield::run`], with the failure as a value.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn try_run<T: Serialize + DeserializeOwned>(&self, closure: impl FnOnce() -> T) -> Result<T, Failure> {
        let set_up = |error: io::Error| Failure::SetUp(error.to_string());
        report::install_hook();
        let place = host::Place::find().map_err(set_up)?;
        let group = self.cgroup.then(TestGroup::create).transpose().map_err(set_up)?;
        proc_modes::note();
        let (read, write) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| set_up(errno.into()))?;
        // Only for a shield that maps a range: where fork 1 waits for its ids.
        let needs_ids = self.identity != host::Identity::Root && !nix::unistd::getuid().is_root();
        let stream = needs_ids.then(UnixStream::pair).transpose().map_err(set_up)?;
        let child = {
            // Held over the fork, so that the child finds them free whatever other tests print meanwhile.
            let _out = io::stdout().lock();
            let _err = io::stderr().lock();
            // SAFETY: of what other threads may hold at this moment the child uses only malloc, which glibc and musl
            // keep usable across a fork, and the two locks above, which are ours.
            match unsafe { fork() }.map_err(|errno| set_up(errno.into()))? {
                ForkResult::Child => {
                    report::mark_as_child();
                    let parent = stream.as_ref().map(|(_, theirs)| theirs);
                    let shield = Parts { identity: self.identity, place: &place, group: group.as_ref(), pipe: &write };
                    let failed = stand_for_the_host(&shield, parent, closure);
                    let failure = Ended { how: failed.to_string(), findings: Vec::new() };
                    let _ = frame::send(&write, &failure);
                    exit_now(1)
                }
                ForkResult::Parent { child } => child,
            }
        };
        drop(write);
        if let Some((ours, theirs)) = stream {
            drop(theirs);
            user::map(child, &ours).map_err(set_up)?;
        }
        let outcome = self.wait(child, &read, group.as_ref());
        drop(group);
        proc_modes::put_back();
        judge(outcome.map_err(set_up)?, self.deadline, self.audited)
    }

    /// Reads what the children report until fork 1 has ended, by force at the deadline. `None` is: too slow.
    fn wait(&self, child: Pid, read: &OwnedFd, group: Option<&TestGroup>) -> io::Result<Option<Vec<u8>>> {
        let pidfd = sys::pidfd_open(child)?;
        let (bytes, in_time) = frame::read_until_exit(read, &pidfd, Instant::now() + self.deadline)?;
        if !in_time {
            // A frozen task of cgroup v1 cannot die.
            group.map_or(Ok(()), TestGroup::thaw)?;
            // Fork 2 dies with fork 1, and the shield's whole PID namespace with fork 2.
            kill(child, Signal::SIGKILL)?;
        }
        waitpid(child, None)?;
        Ok(in_time.then_some(bytes))
    }
}

/// What the frames say. Fork 3's comes first when there is one; fork 2's, or a failed set-up, is the last.
fn judge<T: DeserializeOwned>(bytes: Option<Vec<u8>>, deadline: Duration, audited: bool) -> Result<T, Failure> {
    let bytes = bytes.ok_or(Failure::TooSlow(deadline))?;
    let frames = frame::split(&bytes);
    let Some(ended) = frames.last().and_then(|last| serde_json::from_slice::<Ended>(last).ok()) else {
        return Err(Failure::SetUp("the process that stands for the host died".to_owned()));
    };
    let returned = match frames.as_slice() {
        [first, _] => {
            serde_json::from_slice::<Returned<T>>(first).map_err(|error| Failure::SetUp(error.to_string()))?
        }
        _ if ended.how.starts_with(host::SET_UP) => return Err(Failure::SetUp(ended.how)),
        _ => return Err(Failure::Vanished(ended.how)),
    };
    let findings = [returned.findings, ended.findings].concat();
    match returned.reply {
        Reply::Panic(text) => Err(Failure::Panicked(text, findings)),
        Reply::Value(_) if audited && !findings.is_empty() => Err(Failure::HostChanged(findings)),
        Reply::Value(value) => Ok(value),
    }
}

/// What the three forks share.
struct Parts<'a> {
    identity: host::Identity,
    place: &'a host::Place,
    group: Option<&'a TestGroup>,
    pipe: &'a OwnedFd,
}

/// Fork 1. Returns only when something failed.
fn stand_for_the_host<T: Serialize>(
    shield: &Parts<'_>,
    parent: Option<&UnixStream>,
    closure: impl FnOnce() -> T,
) -> io::Error {
    let child = (|| {
        host::enter(parent, shield.place, shield.group)?;
        // After the last change of user, which would clear it; and with it any descriptor of other tests.
        host::die_with_parent()?;
        sys::close_all_but(shield.pipe.as_fd())?;
        // SAFETY: this process has one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let failed = be_pid1(shield, closure);
                let _ = frame::send(shield.pipe, &Ended { how: failed.to_string(), findings: Vec::new() });
                exit_now(1)
            }
        }
    })();
    match child {
        Ok(child) => {
            let _ = waitpid(child, None);
            let _ = host::clear(shield.place);
            exit_now(0)
        }
        Err(error) => error,
    }
}

/// Fork 2. Returns only when something failed.
fn be_pid1<T: Serialize>(shield: &Parts<'_>, closure: impl FnOnce() -> T) -> io::Error {
    let run = || -> io::Result<()> {
        host::die_with_parent()?;
        host::settle(shield.identity, shield.place)?;
        let before = audit::Snapshot::take(shield.place, shield.group)?;
        // SAFETY: this process has one thread.
        let main = match unsafe { fork() }? {
            ForkResult::Child => run_closure(shield, closure),
            ForkResult::Parent { child } => child,
        };
        let how = loop {
            match waitpid(None, None)? {
                status if status.pid() == Some(main) => break describe(status),
                _ => {} // an orphan that the closure left, and that ended before it
            }
        };
        // A host that cannot be looked at any more has been changed.
        let findings = audit::compare(&before, shield.place, shield.group)
            .unwrap_or_else(|error| vec![audit::out_of_sight(&error)]);
        frame::send(shield.pipe, &Ended { how, findings })
    };
    match run() {
        Ok(()) => exit_now(0),
        Err(error) => error,
    }
}

/// Fork 3: the learner's code.
fn run_closure<T: Serialize>(shield: &Parts<'_>, closure: impl FnOnce() -> T) -> ! {
    let run = || -> io::Result<()> {
        host::become_the_learner(shield.identity, shield.place, shield.group)?;
        host::die_with_parent()?;
        let original = OriginalOnly::new()?;
        let descriptors = audit::Descriptors::take();
        let reply = report::catch(closure);
        // The learner may have forked and come back twice; only one process speaks for the closure.
        if original.is_original() {
            let mut findings = descriptors.leaked();
            if matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {
                findings.push(audit::zombie());
            }
            frame::send(shield.pipe, &Returned { reply, findings })?;
        }
        Ok(())
    };
    exit_now(if run().is_ok() { 0 } else { 1 })
}

fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("it called exit({code})"),
        WaitStatus::Signaled(_, signal, _) => format!("it was killed by {signal}"),
        other => format!("{other:?}"),
    }
}
