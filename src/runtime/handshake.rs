//! The two pipes between parent and child.
//!
//! ```text
//! parent                               child
//!   | ---- fork ------------------------> |
//!   | writes the state                    | waits
//!   | ---- go: the child's PID ----------> |
//!   |                                     | takes its steps
//!   | <--- report: a newline ------------ | if hooks are to be run: at the root switch
//!   | ---- go: a newline ---------------> |
//!   | <--- report: nothing, then closed - | exec closes it (O_CLOEXEC)
//!   | <--- report: a Message ------------ | or a step failed
//! ```
//!
//! Each side that dies closes its ends, and the other sees the end of the file.

#![allow(unsafe_code, reason = "sigpending has no safe wrapper")]

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use model::{During, Message, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, pipe2};

use super::exec::exit_now;

/// The parent's ends.
#[derive(Debug)]
pub struct ParentEnd {
    go: Option<File>,
    report: File,
}

/// The child's ends.
#[derive(Debug)]
pub struct ChildEnd {
    /// None at the door: whoever comes there has said so by coming.
    go: Option<File>,
    report: File,
}

/// How the child asks for what its parent has to do in between, and how that answers.
const ASK: &[u8] = b"\n";

/// Makes both pipes. After the fork each side drops what is the other's: an end that stays open there would
/// hide the death of its owner.
pub fn pair() -> Result<(ParentEnd, ChildEnd)> {
    let (child_go, parent_go) = pipe2(OFlag::O_CLOEXEC).during("pipe", "go")?;
    let (parent_report, child_report) = pipe2(OFlag::O_CLOEXEC).during("pipe", "report")?;
    Ok((
        ParentEnd { go: Some(parent_go.into()), report: parent_report.into() },
        ChildEnd { go: Some(child_go.into()), report: child_report.into() },
    ))
}

impl ParentEnd {
    /// Lets the child take its steps, and waits until the command is started, or a step has failed and
    /// this returns why. Somebody who asks for an end meanwhile gets it: the child is killed, after `thaw`.
    pub fn go(mut self, child: Pid, signals: Option<&SignalFd>, thaw: impl Fn()) -> Result<Option<Message>> {
        self.tell(&child.as_raw().to_ne_bytes())?;
        self.go = None;
        while !self.is_answered(signals, PollTimeout::NONE)? {
            // A dead child is an answer as well as a signal: that signal is left for the supervisor.
            if !self.is_answered(None, PollTimeout::ZERO)? && asks_for_an_end(signals)? {
                thaw();
                kill(child, Signal::SIGKILL).during("kill", format_args!("SIGKILL {child}"))?;
            }
        }
        let mut bytes = Vec::new();
        self.report.read_to_end(&mut bytes).during("read", "the child's report")?;
        Ok(Message::from_bytes(&bytes))
    }

    /// As [`ParentEnd::go`], for a container that is made and does not start yet; nobody is listened to meanwhile. When the child
    /// asks for it, `between` is done, and it goes on.
    pub fn make(&mut self, child: Pid, between: impl FnOnce() -> Result<()>) -> Result<Option<Message>> {
        self.tell(&child.as_raw().to_ne_bytes())?;
        let mut bytes = vec![0];
        let count = self.report.read(&mut bytes).during("read", "the child's report")?;
        bytes.truncate(count);
        if bytes == ASK {
            between()?;
            self.tell(ASK)?;
            bytes.clear();
        }
        self.report.read_to_end(&mut bytes).during("read", "the child's report")?;
        Ok(Message::from_bytes(&bytes))
    }

    fn tell(&mut self, word: &[u8]) -> Result<()> {
        match self.go.as_mut().map_or(Ok(()), |go| go.write_all(word)) {
            // A child that is dead already has closed its end; then there is an end of file to read, too.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result.during("write", "the word to the child"),
        }
    }

    /// Waits for the report or a signal; says whether it was the report.
    fn is_answered(&self, signals: Option<&SignalFd>, timeout: PollTimeout) -> Result<bool> {
        let mut files = vec![PollFd::new(self.report.as_fd(), PollFlags::POLLIN)];
        files.extend(signals.map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN)));
        match poll(&mut files, timeout) {
            Err(Errno::EINTR) => Ok(false),
            result => result.during("poll", "the child's report").map(|_| files[0].any() == Some(true)),
        }
    }
}

/// What people and engines send to ask for an end.
const ENDS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

fn asks_for_an_end(signals: Option<&SignalFd>) -> Result<bool> {
    let Some(info) = signals.map(SignalFd::read_signal).transpose().during("read", "signalfd")?.flatten() else {
        return Ok(false);
    };
    Ok(ENDS.iter().any(|end| *end as u32 == info.ssi_signo))
}

/// Waits until `signals` has something to read, and leaves it there; whether it asks for an end.
pub fn comes_an_end(signals: &SignalFd) -> Result<bool> {
    while let Err(errno) = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
        if errno != Errno::EINTR {
            Err(errno).during("poll", "signalfd")?;
        }
    }
    let mut pending = MaybeUninit::uninit();
    // SAFETY: sigpending fills the set that it gets a pointer to, or fails.
    let pending = unsafe {
        Errno::result(libc::sigpending(pending.as_mut_ptr())).during("sigpending", "this process")?;
        SigSet::from_sigset_t_unchecked(pending.assume_init())
    };
    Ok(ENDS.into_iter().any(|end| pending.contains(end)))
}

impl ChildEnd {
    /// The descriptors that it needs.
    pub fn ends(&self) -> Vec<BorrowedFd<'_>> {
        self.go.iter().chain([&self.report]).map(AsFd::as_fd).collect()
    }

    /// Waits for the parent's word: the PID that it knows this process by. A parent that died without one ends this process.
    pub fn wait_for_go(&mut self) -> Pid {
        let mut pid = [0; size_of::<i32>()];
        match self.go.as_mut().map(|go| go.read_exact(&mut pid)) {
            Some(Ok(())) => Pid::from_raw(i32::from_ne_bytes(pid)),
            _ => exit_now(0),
        }
    }

    /// Lets the parent do its part in between, and waits for it. A parent that died meanwhile ends this process.
    pub fn ask(&mut self) -> Result<()> {
        self.report.write_all(ASK).during("write", "the report")?;
        match self.go.as_mut().map(|go| go.read_exact(&mut [0])) {
            Some(Ok(())) => Ok(()),
            _ => exit_now(0),
        }
    }

    /// Ends this process if the parent has died after its word, before this process asked to die with it. Then nobody is
    /// left who has the other end of this pipe.
    pub fn is_there(&self) -> Result<()> {
        let mut report = [PollFd::new(self.report.as_fd(), PollFlags::empty())];
        if poll(&mut report, PollTimeout::ZERO).during("poll", "the report")? > 0 {
            exit_now(0);
        }
        Ok(())
    }

    /// The line to whoever has come to the door.
    pub fn at_the_door(line: UnixStream) -> ChildEnd {
        ChildEnd { go: None, report: File::from(OwnedFd::from(line)) }
    }

    /// Tells the parent what went wrong.
    pub fn send(mut self, message: &Message) {
        // A parent that is gone has nobody left to tell.
        let _ = self.report.write_all(&message.to_bytes());
    }
}
