//! A process that another one is about to join.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::caps::CapSet;
use crate::error::{During, Error, Result};

/// A process, held by a descriptor: its number may become another's when it has ended, the descriptor stays with it. Source:
/// pidfd_open(2).
#[derive(Debug)]
pub struct Process {
    /// The number that the caller knows it by. What is read by it counts only if [`Process::lives`] afterwards.
    pub pid: Pid,
    /// Its pidfd.
    pub fd: OwnedFd,
}

/// What a process can come to be able to do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Powers {
    /// Its bounding set.
    pub bounding: CapSet,
    /// Whether no program that it starts gets more power than it has.
    pub no_new_privs: bool,
}

impl Process {
    /// A file of its directory in /proc.
    #[must_use]
    pub fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.pid).into()
    }

    /// Nothing, as long as it has not ended: then all that was read by its number before was its own.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`].
    pub fn lives(&self) -> Result<()> {
        loop {
            match poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) {
                Err(Errno::EINTR) => {}
                Ok(0) => return Ok(()),
                Ok(_) => return Err(Error::NoSuchProcess(self.pid)),
                Err(errno) => return Err(errno).during("poll", format_args!("the pidfd of process {}", self.pid)),
            }
        }
    }

    /// What it can come to be able to do. Source: proc_pid_status(5), `CapBnd` and `NoNewPrivs`.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`]; [`Error::Os`] for a text without these lines.
    pub fn powers(&self) -> Result<Powers> {
        let path = self.proc("status");
        let status = fs::read_to_string(&path);
        self.lives()?;
        let status = status.during("read", path.display())?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let bounding = field("CapBnd:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let bounding = bounding.ok_or_else(|| io::Error::other("no line CapBnd:")).during("read", path.display())?;
        Ok(Powers { bounding: CapSet(bounding), no_new_privs: field("NoNewPrivs:") == Some("1") })
    }
}
