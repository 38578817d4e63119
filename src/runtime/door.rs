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
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use model::tree::place;
use model::{During, Message, Result};

/// The inner side: whoever has it waits.
#[derive(Debug)]
pub struct Door {
    socket: UnixListener,
    /// Locked for as long as a process has it open.
    _waiting: File,
}

impl Door {
    /// Makes it in a container's directory, before there is a process to wait at it.
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

    /// Waits until somebody comes: the line to them.
    pub fn wait(&self) -> Result<UnixStream> {
        self.socket.accept().map(|(line, _)| line).during("accept", "the start")
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
