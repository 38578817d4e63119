//! The container's user namespace: made before the container, entered by it alone.
//!
//! ```text
//! boxwright             go-between                 the container
//!   | create(maps)
//!   | fork ---------------> | enter: root in there
//!   |                       | fork -----------------> | PID 1
//!   | <--- its PID -------- | ends
//!   | <--- is ours now ------------------------------ |
//! ```
//!
//! boxwright stays outside, with its own powers over state and cgroup. A PID namespace belongs to the user namespace that
//! it was made in, so somebody has to go there first and fork in there; an orphan then comes to its nearest subreaper.

#![allow(unsafe_code, reason = "fork has no safe wrapper")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::ids::IdMaps;
use model::{During, Error, Message, Result};
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, geteuid, pipe2};

use super::exec::exit_now;
use crate::steps::userns;

/// A user namespace, for as long as this is held and somebody is in it.
#[derive(Debug)]
pub struct Userns {
    fd: OwnedFd,
    /// A directory that is emptied in the end: what is in there may be owned by users whom only this namespace can name.
    directory: Option<PathBuf>,
}

impl Userns {
    /// Makes it, for a look or for a change.
    pub fn new(maps: &IdMaps) -> Result<Userns> {
        Ok(Userns { fd: userns::create(maps)?, directory: None })
    }

    /// Makes it, for a container that has `directory` for what goes with it.
    pub fn of_container(maps: &IdMaps, directory: &Path) -> Result<Userns> {
        Ok(Userns { fd: userns::create(maps)?, directory: Some(directory.to_owned()) })
    }

    /// Leaves it to those who are in it: the container outlives this process.
    pub fn keep(mut self) {
        self.directory = None;
    }

    /// As `fork_pid1`, which it calls in the namespace.
    pub fn start(&self, fork_pid1: fn() -> Result<ForkResult>) -> Result<ForkResult> {
        prctl::set_child_subreaper(true).during("prctl", "PR_SET_CHILD_SUBREAPER")?;
        let (told, tell) = pipe2(OFlag::O_CLOEXEC).during("pipe", "the go-between")?;
        // SAFETY: the caller has one thread, so that no lock can be held by a thread that the child lacks.
        let go_between = match unsafe { fork() }.during("fork", "the go-between")? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                drop(told);
                let said = match self.enter().and_then(|()| fork_pid1()) {
                    Ok(ForkResult::Child) => return Ok(ForkResult::Child),
                    Ok(ForkResult::Parent { child }) => child.to_string().into_bytes(),
                    Err(error) => Message::from(&error).to_bytes(),
                };
                let _ = File::from(tell).write_all(&said);
                exit_now(0)
            }
        };
        drop(tell);
        let said = hear(told, go_between)?;
        match str::from_utf8(&said).ok().and_then(|text| text.parse().ok()) {
            Some(pid) => Ok(ForkResult::Parent { child: Pid::from_raw(pid) }),
            None => Err(refusal(&said)),
        }
    }

    fn enter(&self) -> Result<()> {
        userns::enter(self.fd.as_fd())?;
        // Who changes the user can no longer be looked at through /proc, and cannot write their own files there. Nobody is in
        // this namespace who must not look.
        prctl::set_dumpable(true).during("prctl", "PR_SET_DUMPABLE")
    }

    /// Removes the directories in `directory`, as root of the namespace: an ordinary user may not touch what belongs to
    /// subordinate ids.
    pub fn empty(&self, directory: &Path) -> Result<()> {
        if geteuid().is_root() { Ok(()) } else { self.inside(|| remove_directories(directory)) }
    }

    /// Does `work` in a process of its own, as root of the namespace.
    pub fn inside(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let (told, tell) = pipe2(OFlag::O_CLOEXEC).during("pipe", "to the user namespace")?;
        // SAFETY: as in `start`.
        let child = match unsafe { fork() }.during("fork", "into the user namespace")? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let done = self.enter().and_then(|()| work());
                let said = done.map_or_else(|error| Message::from(&error).to_bytes(), |()| DONE.to_vec());
                let _ = File::from(tell).write_all(&said);
                exit_now(0)
            }
        };
        drop(tell);
        let said = hear(told, child)?;
        if said == DONE { Ok(()) } else { Err(refusal(&said)) }
    }
}

/// The word of a process that has done its work.
const DONE: &[u8] = b"done";

/// All that `child` says, which ends then.
fn hear(told: OwnedFd, child: Pid) -> Result<Vec<u8>> {
    let mut said = Vec::new();
    File::from(told).read_to_end(&mut said).during("read", "what a forked process says")?;
    waitpid(child, None).during("waitpid", child)?;
    Ok(said)
}

/// The error in what a process said that has not done its work.
fn refusal(said: &[u8]) -> Error {
    Message::from_bytes(said).unwrap_or_else(|| Message::panicked("a step panicked")).into_error()
}

impl AsFd for Userns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Userns {
    fn drop(&mut self) {
        // What cannot be removed now, the next command tries again, and says so.
        if let Some(directory) = &self.directory {
            let _ = self.empty(directory);
        }
    }
}

fn remove_directories(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).during("readdir", directory.display())?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(entry.path()).during("remove", entry.path().display())?;
        }
    }
    Ok(())
}
