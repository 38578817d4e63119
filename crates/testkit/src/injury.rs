//! Any single system call of a program and all that it forks, made to fail or to be its caller's last.
//!
//! ```text
//! a program           filter: every call           surgeon: a process of the test's
//!   | any call ---------------> | -- who, which ------> | counts, notes
//!   |                           | <- go on ------------ | most of them
//!   | <- errno, not made ------ | <- errno ------------ | the one
//!   | SIGKILL, not made <------------------------------ | or this
//! ```
//!
//! No tracer: whoever is traced stops at other places, and signals take other ways. Source: seccomp_unotify(2), Linux 5.5.
#![allow(unsafe_code, reason = "seccomp(2) has no safe wrapper, and a process sets its filter before its exec")]

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JUMP, BPF_K, BPF_LD, BPF_RET, BPF_STMT, BPF_W, c_long, sock_filter};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup3_raw, fork};

use crate::report::exit_now;
use crate::{dir, random_name};

/// What becomes of a call that is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injury {
    /// It fails with this.
    Fails(Errno),
    /// SIGKILL comes to the process that makes it.
    Kills,
}

/// A call: which one of which process, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// 0 for the program itself.
    pub process: usize,
    /// 0 for the first call after its exec, or of a process that has been forked.
    pub index: usize,
    /// `SYS_*`.
    pub number: c_long,
}

/// A program whose calls are answered for, and the process that does so: until this is dropped, and after that every call fails.
#[derive(Debug)]
pub struct Operated {
    /// The program.
    pub child: Child,
    surgeon: Pid,
    notes: PathBuf,
}

/// Where the child finds the line to the surgeon: the only message that its filter lets through.
const LINE: i32 = 900;

/// Starts `command`; of its calls, and those of all processes that it forks, the one at `point` is not made.
/// What a process does after an exec of its own is left alone.
///
/// To be called under a [`Shield`](crate::Shield), with the right to set a filter.
///
/// # Errors
/// What kept it from being started.
pub fn operate(mut command: Command, point: Option<(usize, usize)>, injury: Injury) -> io::Result<Operated> {
    let notes = dir().join(random_name("calls"));
    let file = File::create(&notes)?;
    let (line, theirs) = UnixStream::pair()?;
    // SAFETY: under a shield the process has one thread.
    let surgeon = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(theirs);
            let done = set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from);
            exit_now(i32::from(done.and_then(|()| answer_all(&line, file, point, injury)).is_err()))
        }
    };
    drop(line);
    // SAFETY: what it does are system calls, and no memory is allocated.
    unsafe { command.pre_exec(move || Ok(ask_for_each(&theirs)?)) };
    Ok(Operated { child: command.spawn()?, surgeon, notes })
}

impl Operated {
    /// The calls so far, but those after an exec.
    pub fn points(&self) -> Vec<Point> {
        let text = fs::read_to_string(&self.notes).unwrap_or_default();
        let words = |line: &str| line.split(' ').map(|word| word.parse().ok()).collect::<Option<Vec<usize>>>();
        let points = text.lines().filter_map(words);
        points.map(|it| Point { process: it[0], index: it[1], number: it[2] as c_long }).collect()
    }
}

impl Drop for Operated {
    fn drop(&mut self) {
        let _ = kill(self.surgeon, Signal::SIGKILL);
        let _ = waitpid(self.surgeon, None);
        let _ = fs::remove_file(&self.notes);
    }
}

/// Every call of this process asks from here on, and whoever answers gets to know by what.
fn ask_for_each(line: &UnixStream) -> nix::Result<()> {
    // SAFETY: nothing else has this number, and the exec closes it.
    let own = unsafe { dup3_raw(line, LINE, nix::fcntl::OFlag::O_CLOEXEC) }?;
    const NUMBER: u32 = 0;
    const FIRST_ARGUMENT: u32 = 16;
    // SAFETY: these put numbers into a struct.
    let mut program: [sock_filter; 6] = unsafe {
        [
            BPF_STMT((BPF_LD | BPF_W | BPF_ABS) as u16, NUMBER),
            BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, libc::SYS_sendmsg as u32, 0, 3),
            BPF_STMT((BPF_LD | BPF_W | BPF_ABS) as u16, FIRST_ARGUMENT),
            BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, LINE as u32, 0, 1),
            BPF_STMT((BPF_RET | BPF_K) as u16, libc::SECCOMP_RET_ALLOW),
            BPF_STMT((BPF_RET | BPF_K) as u16, libc::SECCOMP_RET_USER_NOTIF),
        ]
    };
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the program and its length, alive during the call.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    send_descriptor(&own, &(Errno::result(fd)? as i32))
    // Both stay open until the exec: to close them would be a call.
}

/// A process that has been seen.
struct Seen {
    pid: u32,
    calls: usize,
    /// Whether it is somebody else's program by now.
    is_done: bool,
}

/// Answers until nobody is left who asks.
fn answer_all(line: &UnixStream, mut notes: File, point: Option<(usize, usize)>, injury: Injury) -> io::Result<()> {
    let calls = listener(line)?;
    let mut seen: Vec<Seen> = Vec::new();
    let mut has_begun = false;
    loop {
        let mut files = [PollFd::new(std::os::fd::AsFd::as_fd(&calls), PollFlags::POLLIN)];
        poll(&mut files, PollTimeout::NONE)?;
        if files[0].revents().is_some_and(|events| !events.contains(PollFlags::POLLIN)) {
            return Ok(());
        }
        let Some(call) = received(&calls)? else { continue };
        let number = c_long::from(call.data.nr);
        let is_exec = number == libc::SYS_execve || number == libc::SYS_execveat;
        if !has_begun {
            has_begun = is_exec;
            send(&calls, call.id, None)?;
            continue;
        }
        let process = seen.iter().position(|it| it.pid == call.pid).unwrap_or_else(|| {
            seen.push(Seen { pid: call.pid, calls: 0, is_done: false });
            seen.len() - 1
        });
        let it = &mut seen[process];
        let index = it.calls;
        if it.is_done {
            send(&calls, call.id, None)?;
            continue;
        }
        it.calls += 1;
        notes.write_all(format!("{process} {index} {number}\n").as_bytes())?;
        let is_it = point == Some((process, index));
        it.is_done = is_exec && !is_it;
        match injury {
            Injury::Kills if is_it => kill(Pid::from_raw(call.pid.cast_signed()), Signal::SIGKILL)?,
            Injury::Fails(errno) if is_it => send(&calls, call.id, Some(errno))?,
            _ => send(&calls, call.id, None)?,
        }
    }
}

/// Source: unix(7), SCM_RIGHTS.
pub(crate) fn send_descriptor(line: &impl AsRawFd, fd: &impl AsRawFd) -> nix::Result<()> {
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(line.as_raw_fd(), &[IoSlice::new(b"x")], &rights, MsgFlags::empty(), None).map(drop)
}

/// The descriptor that was sent.
pub(crate) fn listener(line: &UnixStream) -> io::Result<OwnedFd> {
    let (mut word, mut space) = ([0; 1], nix::cmsg_space!([i32; 1]));
    let mut buffers = [IoSliceMut::new(&mut word)];
    let message = recvmsg::<()>(line.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    match message.cmsgs()?.next() {
        // SAFETY: it came with the message, and nobody else knows of it.
        Some(ControlMessageOwned::ScmRights(fds)) => Ok(unsafe { OwnedFd::from_raw_fd(fds[0]) }),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A call; none when whoever made it is gone.
fn received(calls: &OwnedFd) -> io::Result<Option<libc::seccomp_notif>> {
    // SAFETY: all zeroes is a valid seccomp_notif, and what the kernel wants to be given.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: a descriptor of the right kind and a struct that is ours; so below.
    let status = unsafe { libc::ioctl(calls.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
    match Errno::result(status) {
        Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
        result => Ok(result.map(|_| Some(call))?),
    }
}

fn send(calls: &OwnedFd, id: u64, errno: Option<Errno>) -> io::Result<()> {
    let mut answer = libc::seccomp_notif_resp { id, val: 0, error: 0, flags: 0 };
    match errno {
        Some(errno) => answer.error = -(errno as i32),
        None => answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
    }
    // SAFETY: as above.
    let status = unsafe { libc::ioctl(calls.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    match Errno::result(status) {
        // It is gone, or a signal came in between: then it asks again.
        Err(Errno::ENOENT) => Ok(()),
        result => Ok(result.map(drop)?),
    }
}
