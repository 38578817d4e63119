//! The namespaces that a container shares with others: opened before the start, while the host's paths are in sight.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use model::plan::Join;
use model::{During, NsKind, Plan, Result};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{ForkResult, Gid, Uid, setgroups, setresgid, setresuid};

use super::go_between;
use super::userns::Userns;
use crate::steps::join;

/// Descriptors of namespaces that are there already.
#[derive(Debug, Default)]
pub struct Joined(Vec<(NsKind, OwnedFd)>);

impl Joined {
    /// Opens them. As long as they are open, they are there, whoever ends meanwhile.
    pub fn open(joins: &[Join]) -> Result<Joined> {
        let one = |join: &Join| Ok((join.kind, File::open(&join.path).during("open", join.path.display())?.into()));
        joins.iter().map(one).collect::<Result<_>>().map(Joined)
    }

    /// The user namespace that `plan` asks for, another's or its own, if it has one. `directory` is the container's.
    pub fn userns(&self, plan: &Plan, directory: &Path) -> Result<Option<Userns>> {
        match (self.user(), &plan.ids) {
            (Some(theirs), _) => Userns::joined(theirs, directory).map(Some),
            (None, own) => own.as_ref().map(|maps| Userns::of_container(maps, directory)).transpose(),
        }
    }

    fn user(&self) -> Option<BorrowedFd<'_>> {
        self.0.iter().find(|(kind, _)| *kind == NsKind::User).map(|(_, fd)| fd.as_fd())
    }

    /// Forks the first process of a container, by `fork`: it is in all of them, and in `userns`, if it has one.
    pub fn start(&self, userns: Option<&Userns>, fork: impl FnOnce() -> Result<ForkResult>) -> Result<ForkResult> {
        if self.0.is_empty() && userns.is_none() {
            return fork();
        }
        go_between::start(|| self.enter(userns), |_| fork())
    }

    /// Moves the caller into all of them, and into `userns`.
    fn enter(&self, userns: Option<&Userns>) -> Result<()> {
        let all: Vec<_> = self.0.iter().map(|(kind, fd)| (*kind, fd.as_fd())).collect();
        if !all.is_empty() {
            join::enter(&all)?;
        }
        match userns {
            Some(_) if self.user().is_some() => become_root()?,
            // A new one, to which none of the others can belong: they had to be joined before.
            Some(userns) => userns.enter()?,
            None => {}
        }
        // A process that others see is closed to them: what it has open is the host's still. One that nobody sees has to be able
        // to write its own files in /proc.
        let is_seen = self.0.iter().any(|(kind, _)| *kind == NsKind::Pid);
        prctl::set_dumpable(!is_seen).during("prctl", "PR_SET_DUMPABLE")
    }
}

/// In a user namespace that has been joined: whoever came there has all its capabilities, and the ids and groups of before.
pub fn become_root() -> Result<()> {
    match setgroups(&[]) {
        // Denied in this namespace, to everybody, so that they stay. /proc would say so, but by now it may be the container's.
        Err(Errno::EPERM) => {}
        result => result.during("setgroups", "none")?,
    }
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group).during("setresgid", 0)?;
    setresuid(user, user, user).during("setresuid", 0)
}
