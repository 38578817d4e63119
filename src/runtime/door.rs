//! Where a container that is made waits for its start.
//!
//! ```text
//! start                      the container's first process
//!   |                          | holds the lock `waiting`, listens at the socket `start`
//!   | -- connects -----------> |
//!   |                          | takes its last steps
//!   | <- nothing, then closed  | exec closes both (O_CLOEXEC)
//!   | <- a Message ----------- | or a step failed
//! ```
//!
//! A socket, not a FIFO: a FIFO can be opened anew through /proc/PID/fd, by whoever is in the container, and held open; a socket
//! cannot. And its name is in the state directory, which no container has in sight.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use model::plan::hooks::Hook;
use model::tree::place;
use model::{During, Message, Result};

use super::handshake::ChildEnd;
use super::hooks::{self, Caller, Told};

/// The inner side: whoever has it waits.
#[derive(Debug)]
pub struct Door {
    socket: UnixListener,
    /// Locked for as long as a process has it open.
    _waiting: File,
}

impl Door {
    /// Makes it in a container's directory, before there is a process to wait at it.
    ///
    /// # Errors
    /// [`model::Error::Os`].
    pub fn make(directory: &Path) -> Result<Door> {
        let path = directory.join("waiting");
        let waiting = File::create(&path).during("open", path.display())?;
        waiting.lock().during("flock", path.display())?;
        let (_open, path) = short(directory)?;
        Ok(Door {
            socket: UnixListener::bind(&path).during("bind", directory.join("start").display())?,
            _waiting: waiting,
        })
    }
}

/// A container's first process when all is made, and what it has left to do with the world outside.
#[derive(Debug)]
pub struct AtTheDoor<'a> {
    /// Where it waits.
    pub door: &'a Door,
    /// Who is told what goes wrong: whoever makes the container, then nobody, then whoever starts it.
    pub line: &'a mut Option<ChildEnd>,
    /// The container's startContainer hooks.
    pub hooks: &'a [Hook],
    /// What they have of the container.
    pub caller: Caller<'a>,
    /// What they are told.
    pub told: Told<'a>,
}

impl AtTheDoor<'_> {
    /// Tells whoever makes the container that all is made, and lets go of them: `create` returns. When they have died meanwhile, this
    /// process ends.
    ///
    /// # Errors
    /// [`model::Error::Os`].
    pub fn tell_the_maker(&mut self) -> Result<()> {
        // First the look: as long as the line is there, what goes wrong is told.
        self.line.as_ref().map_or(Ok(()), ChildEnd::is_there)?;
        *self.line = None;
        Ok(())
    }

    /// The socket, bound and listening, to which whoever starts the container connects.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.door.socket.as_fd()
    }

    /// From here on, what goes wrong is told by `line`. When it is closed and nothing has been told, the command is started.
    pub fn answer(&mut self, line: OwnedFd) {
        *self.line = Some(ChildEnd::at_the_door(line.into()));
    }

    /// Calls the container's startContainer hooks, one after the other.
    ///
    /// # Errors
    /// What goes wrong with one.
    pub fn run_hooks(&self) -> Result<()> {
        hooks::run_as(self.caller, self.hooks, "startContainer", self.told)
    }
}

/// Lets the process at the door in `directory` go on, and waits until its command is started.
///
/// # Errors
/// The step that failed in there; ECONNREFUSED when nobody waits.
pub fn knock(directory: &Path) -> Result<()> {
    let mut said = Vec::new();
    {
        let (_open, path) = short(directory)?;
        let mut line = UnixStream::connect(&path).during("connect", directory.join("start").display())?;
        line.read_to_end(&mut said).during("read", "what the container says")?;
    }
    // Nobody waits there any more.
    let path = directory.join("start");
    fs::remove_file(&path).during("unlink", path.display())?;
    Message::from_bytes(&said).map_or(Ok(()), |message| Err(message.into_error()))
}

/// A path to the socket that is short enough for `sockaddr_un`, 107 bytes, wherever the state directory is, for as long as the
/// descriptor is open.
fn short(directory: &Path) -> Result<(OwnedFd, PathBuf)> {
    let open: OwnedFd = File::open(directory).during("open", directory.display())?.into();
    let path = place(open.as_fd()).join("start");
    Ok((open, path))
}
