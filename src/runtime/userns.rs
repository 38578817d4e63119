//! The container's user namespace: made before the container, entered by it alone.

#![allow(unsafe_code, reason = "fork has no safe wrapper")]

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::ids::IdMaps;
use model::{During, Message, Result};
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::unistd::{ForkResult, fork, geteuid, pipe2};

use super::exec::exit_now;
use super::go_between::{hear, refusal};
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

    /// The one that the descriptor `fd` is of, for a container that has `directory` for what goes with it.
    pub fn joined(fd: BorrowedFd<'_>, directory: &Path) -> Result<Userns> {
        let fd = fd.try_clone_to_owned().during("dup", "the user namespace")?;
        Ok(Userns { fd, directory: Some(directory.to_owned()) })
    }

    /// Moves the caller into it, where it is root.
    pub fn enter(&self) -> Result<()> {
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
        // SAFETY: the caller has one thread, so that no lock can be held by a thread that the child lacks.
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
