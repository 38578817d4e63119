//! A terminal for a process that joins a container: one of the container's own, so that it has a name in there.
//!
//! ```text
//! caller                              the new process, in the container
//!   | a line to whoever looks in -----> | opens /dev/pts/ptmx, master and slave
//!   | <------------------ the master -- |
//!   |                                   | the slave is its terminal: /dev/pts/0
//! ```
//!
//! A container without a devpts of its own gets one of the host's, which has no name inside. Source: pts(4).

#![allow(unsafe_code, reason = "the ioctls of a ptmx have no safe wrapper")]

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use model::{During, Plan, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::pty::OpenptyResult;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::stat::{fstat, makedev};
use nix::sys::statfs::{FsType, fstatfs};

use super::console::hand_over;
use super::terminal::{Returns, Slave, Window, callers_size, copy_size, pair};

/// The number of every ptmx. Source: kernel docs, devices.
const PTMX: (u64, u64) = (5, 2);
const DEVPTS_SUPER_MAGIC: FsType = FsType(0x1cd1);

/// What the new process needs for it.
#[derive(Debug)]
pub struct Prepared {
    /// The line to whoever looks in.
    line: UnixStream,
    returns: Returns,
    /// The host's.
    spare: OpenptyResult,
}

/// Prepares a terminal that whoever listens at `socket` looks into, or the caller, through a window, with its `returns`.
pub fn prepare(plan: &Plan, returns: Returns, socket: Option<&Path>) -> Result<(Option<Window>, Prepared)> {
    let spare = pair(callers_size().as_ref())?;
    if let Some(path) = socket {
        let line = UnixStream::connect(path).during("connect", path.display())?;
        return Ok((None, Prepared { line, returns: Returns::Inside, spare }));
    }
    let (ours, line) = UnixStream::pair().during("socketpair", "the terminal")?;
    let (window, prepared) = Window::of(plan.stdin, None, Prepared { line, returns, spare }, || receive(&ours))?;
    Ok((Some(window), prepared))
}

fn receive(line: &UnixStream) -> Result<OwnedFd> {
    let (mut name, mut space) = ([0; 256], nix::cmsg_space!([i32; 1]));
    let mut buffers = [IoSliceMut::new(&mut name)];
    let message = recvmsg::<()>(line.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
    let message = message.during("recvmsg", "the terminal")?;
    match message.cmsgs().during("recvmsg", "the terminal")?.next() {
        // SAFETY: it came with the message, and nobody else knows of it.
        Some(ControlMessageOwned::ScmRights(fds)) => Ok(unsafe { OwnedFd::from_raw_fd(fds[0]) }),
        _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)).during("recvmsg", "the terminal"),
    }
}

impl Prepared {
    /// Gives the host's one to a user.
    pub fn give_to(&self, user: Option<u32>) -> Result<()> {
        Slave::new(self.spare.slave.try_clone().during("dup", "the terminal")?).give_to(user)
    }

    /// The descriptors that the new process needs.
    pub fn ends(&self) -> [BorrowedFd<'_>; 3] {
        [self.line.as_fd(), self.spare.master.as_fd(), self.spare.slave.as_fd()]
    }

    /// In the new process, with the container's root as its own: makes the terminal and hands its master over.
    pub fn make(self) -> Result<Slave> {
        let Prepared { line, returns, spare } = self;
        let OpenptyResult { master, slave } = match inside()? {
            Some(pair) => {
                copy_size(&spare.master, &pair.master)?;
                pair
            }
            None => spare,
        };
        returns.set(&slave)?;
        hand_over(&line, &master, b"/dev/ptmx", "the terminal's line")?;
        Ok(Slave::new(slave))
    }
}

/// A terminal of the container's own; nothing where it has no devpts. What is there may be anything: a link, a FIFO, another
/// device (CVE-2025-52565), so that the kernel's word counts on what has been opened.
fn inside() -> Result<Option<OpenptyResult>> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let Ok(found) = openat2(AT_FDCWD, "/dev/pts/ptmx", how) else { return Ok(None) };
    let is_real = fstat(&found).is_ok_and(|file| file.st_rdev == makedev(PTMX.0, PTMX.1))
        && fstatfs(&found).is_ok_and(|fs| fs.filesystem_type() == DEVPTS_SUPER_MAGIC);
    if !is_real {
        return Ok(None);
    }
    nix::fcntl::fcntl(&found, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_RDWR)).during("fcntl", "F_SETFL")?;
    let unlocked: libc::c_int = 0;
    // SAFETY: the ioctl reads an integer, which outlives the call.
    let status = unsafe { libc::ioctl(found.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) };
    Errno::result(status).during("ioctl TIOCSPTLCK", "/dev/pts/ptmx")?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the ioctl takes an integer. Not by its name: who knows what has that by now.
    let slave = unsafe { libc::ioctl(found.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let slave = Errno::result(slave).during("ioctl TIOCGPTPEER", "/dev/pts/ptmx")?;
    // SAFETY: the ioctl returned it a moment ago, and nobody else knows of it.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    Ok(Some(OpenptyResult { master: found, slave }))
}
