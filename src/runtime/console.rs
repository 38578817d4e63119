//! `--console-socket`: a terminal for the container, whose other end is somebody else's.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use model::{During, Result};
use nix::pty::Winsize;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::ttyname;

use super::terminal::{self, Slave};

/// Makes a terminal, hands its master to whoever listens at `socket`, and returns the end that the command gets.
///
/// One message with one descriptor, and the terminal's name for its text, as runc does it. Source: runc's docs, "terminals".
pub fn open(socket: &Path, size: Option<&Winsize>) -> Result<Slave> {
    let line = UnixStream::connect(socket).during("connect", socket.display())?;
    let pair = terminal::pair(size)?;
    let name = ttyname(&pair.slave).during("ttyname", "the terminal")?;
    hand_over(&line, &pair.master, name.as_os_str().as_encoded_bytes(), "the console socket")?;
    Ok(Slave::new(pair.slave))
}

/// Sends a descriptor with some words.
pub fn hand_over(line: &UnixStream, fd: &OwnedFd, told: &[u8], to: &str) -> Result<()> {
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    let sent = sendmsg::<()>(line.as_raw_fd(), &[IoSlice::new(told)], &rights, MsgFlags::MSG_NOSIGNAL, None);
    match sent.during("sendmsg", to)? {
        count if count == told.len() => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::WriteZero)).during("sendmsg", to),
    }
}
