//! `-t`: a terminal of the container's own, and the caller's as a window into it.
//!
//! ```text
//! caller's terminal (raw)  <->  window: a process of ours  <->  master | slave  <->  the command
//! ```
//!
//! The kernel's line discipline sits between master and slave. So a Ctrl-C travels as a byte through the raw
//! terminal of the caller, and becomes a signal on the inside, for the job that is in the foreground there.
//!
//! The window is a process, not a thread of the parent: a process whose next child will be PID 1 of a new
//! namespace cannot make threads (EINVAL: they would belong to two namespaces). And a process can put the
//! caller's terminal right when the parent is killed.

#![allow(unsafe_code, reason = "fork and ioctl have no safe wrapper")]

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use model::{Claim, During, Plan, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{OutputFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown, fork, pipe2, setsid};

use super::exec::exit_now;

nix::ioctl_read_bad!(get_size, libc::TIOCGWINSZ, Winsize);
nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, Winsize);
nix::ioctl_write_int_bad!(become_controlling, libc::TIOCSCTTY);

/// Whose terminal sends a carriage return before each newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// The container's, as Docker has it.
    Inside,
    /// The caller's, as runc has it: what is written to a file has none.
    Outside,
}

impl Returns {
    /// Makes it so of one end, before anybody looks at the other.
    pub(super) fn set(self, terminal: impl AsFd) -> Result<()> {
        if self == Returns::Inside {
            return Ok(());
        }
        let mut modes = tcgetattr(&terminal).during("tcgetattr", "the terminal")?;
        modes.output_flags.remove(OutputFlags::ONLCR);
        tcsetattr(&terminal, SetArg::TCSANOW, &modes).during("tcsetattr", "the terminal")
    }
}

/// The end that the command gets.
#[derive(Debug)]
pub struct Slave(OwnedFd);

impl Slave {
    /// The end of a terminal that somebody else looks into.
    pub(super) fn new(end: OwnedFd) -> Slave {
        Slave(end)
    }

    /// Gives it to a user, so that a program can open it by its name. Where that cannot be, it goes without.
    pub fn give_to(&self, user: Option<u32>) -> Result<()> {
        match fchown(&self.0, user.map(Uid::from_raw), None) {
            Err(Errno::EINVAL | Errno::EPERM | Errno::EROFS) => Ok(()),
            result => result.during("chown", "the terminal"),
        }
    }
}

impl AsFd for Slave {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// In the child: makes the slave its terminal, or /dev/null its input, as the plan says.
pub fn take(plan: &Plan, slave: Option<Slave>) -> Result<()> {
    if plan.is_supervised() || plan.terminal {
        // A session of its own: what it does to its terminal, or types into it (TIOCSTI), is not the caller's.
        setsid().during("setsid", "the container")?;
    }
    if let Some(Slave(slave)) = slave {
        // SAFETY: the ioctl takes an integer; the descriptor is open.
        unsafe { become_controlling(slave.as_raw_fd(), 0) }.during("ioctl TIOCSCTTY", "the terminal")?;
        if let Some((ws_row, ws_col)) = plan.console_size {
            let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
            // SAFETY: the ioctl reads a Winsize, which outlives the call.
            unsafe { set_size(slave.as_raw_fd(), &raw const size) }.during("ioctl TIOCSWINSZ", "the terminal")?;
        }
        dup2_stdin(&slave).during("dup2", "stdin")?;
        dup2_stdout(&slave).during("dup2", "stdout")?;
        dup2_stderr(&slave).during("dup2", "stderr")?;
        if plan.user.uid != 0 {
            Slave(slave).give_to(Some(plan.user.uid))?;
        }
    } else if !plan.stdin {
        // Now: the new root may have no /dev/null.
        let nothing = File::open("/dev/null").during("open", "/dev/null")?;
        dup2_stdin(&nothing).during("dup2", "stdin")?;
    }
    Ok(())
}

/// The parent's hold on the window process. Dropping it waits until everything that the command wrote has been
/// shown and the caller's terminal is what it was.
#[derive(Debug)]
pub struct Window {
    process: Pid,
    /// Ends when the process does.
    closed: Option<File>,
}

/// The host's terminals, master and slave, of this size.
pub(super) fn pair(size: Option<&Winsize>) -> Result<OpenptyResult> {
    let pair = openpty(size, None).during("openpty", "/dev/ptmx")?;
    for end in [&pair.master, &pair.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).during("fcntl", "FD_CLOEXEC")?;
    }
    Ok(pair)
}

impl Window {
    /// Makes a terminal, of the size of the caller's when there is one, and starts to copy between the two;
    /// from standard input only `with_stdin`. It ends by itself when nobody has the slave open any more; a `claim` is the
    /// parent's alone.
    pub fn open(with_stdin: bool, returns: Returns, claim: Option<&Claim>) -> Result<(Window, Slave)> {
        let OpenptyResult { master, slave } = pair(callers_size().as_ref())?;
        returns.set(&slave)?;
        Self::of(with_stdin, claim, slave, || Ok(master)).map(|(window, slave)| (window, Slave(slave)))
    }

    /// A window into the terminal whose master `master` gets, in the window's process. `others` are not for that process.
    pub(super) fn of<T>(
        with_stdin: bool,
        claim: Option<&Claim>,
        others: T,
        master: impl FnOnce() -> Result<OwnedFd>,
    ) -> Result<(Window, T)> {
        let (closed, open) = pipe2(OFlag::O_CLOEXEC).during("pipe", "the terminal's end")?;
        // SAFETY: the caller has one thread, so that no lock can be held by a thread that the child lacks.
        match unsafe { fork() }.during("fork", "the terminal's window")? {
            ForkResult::Parent { child: process } => Ok((Window { process, closed: Some(closed.into()) }, others)),
            ForkResult::Child => {
                drop((others, closed));
                if let Some(claim) = claim {
                    claim.let_go();
                }
                let shown = catch_unwind(AssertUnwindSafe(|| show(master, with_stdin)));
                drop(open);
                exit_now(i32::from(!matches!(shown, Ok(Ok(())))))
            }
        }
    }

    /// For the container's process, which has this by inheritance alone: lets go of it without waiting.
    pub fn forget(mut self) {
        self.closed = None;
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(mut closed) = self.closed.take() {
            // Both fail only when the process is gone already, and then there is nothing to wait for.
            let _ = closed.read(&mut [0]);
            let _ = waitpid(self.process, None);
        }
    }
}

/// The window process, from the fork to its end.
fn show(master: impl FnOnce() -> Result<OwnedFd>, with_stdin: bool) -> Result<()> {
    // Its end is the slave's end, not a signal's. The threads inherit the mask.
    SigSet::all().thread_block().during("sigprocmask", "SIG_BLOCK")?;
    let master = File::from(master()?);
    let resized = SigSet::from(Signal::SIGWINCH);
    let resized = SignalFd::with_flags(&resized, SfdFlags::SFD_CLOEXEC).during("signalfd", "SIGWINCH")?;
    let _raw = (with_stdin && io::stdin().is_terminal()).then(|| RawMode::enter(&master)).transpose()?;
    let again = || master.try_clone().during("dup", "the terminal");
    let (input, size) = (again()?, again()?);
    if with_stdin {
        thread::spawn(move || copy_in(input));
    }
    thread::spawn(move || follow_size(&resized, &size));
    copy_out(master);
    Ok(())
}

/// What is typed goes in. At its end the container gets the character that means so (Ctrl-D).
fn copy_in(mut master: File) {
    let _ = io::copy(&mut io::stdin().lock(), &mut master);
    if let Ok(modes) = tcgetattr(&master) {
        let _ = master.write_all(&[modes.control_chars[SpecialCharacterIndices::VEOF as usize]]);
    }
}

/// What is written comes out, until nobody has the slave open any more (EIO).
fn copy_out(mut master: File) {
    let mut bytes = [0; 8192];
    let mut screen = io::stdout().lock();
    while let Ok(count @ 1..) = master.read(&mut bytes) {
        // A screen that is gone must not stop the command: go on reading.
        let _ = screen.write_all(&bytes[..count]).and_then(|()| screen.flush());
    }
}

/// A window that the caller resizes is resized inside too; the kernel tells the foreground job.
fn follow_size(resized: &SignalFd, master: &File) {
    while let Ok(Some(_)) = resized.read_signal() {
        if let Some(size) = callers_size() {
            // SAFETY: the ioctl reads a Winsize, and gets a pointer to one.
            let _ = unsafe { set_size(master.as_raw_fd(), &raw const size) };
        }
    }
}

/// The size of the caller's terminal, if any of the standard three is one.
#[must_use]
pub fn callers_size() -> Option<Winsize> {
    [io::stdin().as_raw_fd(), io::stdout().as_raw_fd(), io::stderr().as_raw_fd()].into_iter().find_map(|fd| {
        let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the ioctl writes a Winsize, and gets a pointer to one.
        unsafe { get_size(fd, &raw mut size) }.ok().map(|_| size)
    })
}

/// Makes one terminal the size of another.
pub(super) fn copy_size(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the ioctls write and read a Winsize, and get a pointer to one.
    unsafe {
        get_size(from.as_raw_fd(), &raw mut size).during("ioctl TIOCGWINSZ", "a terminal")?;
        set_size(to.as_raw_fd(), &raw const size).during("ioctl TIOCSWINSZ", "a terminal")?;
    }
    Ok(())
}

/// The caller's terminal passes every byte on. Dropping this makes it what it was, in a panic too.
struct RawMode(Termios);

impl RawMode {
    fn enter(master: &File) -> Result<Self> {
        let inside = tcgetattr(master).during("tcgetattr", "the terminal")?;
        let modes = tcgetattr(io::stdin()).during("tcgetattr", "stdin")?;
        let mut raw = modes.clone();
        cfmakeraw(&mut raw);
        raw.output_flags.set(OutputFlags::OPOST, !inside.output_flags.contains(OutputFlags::ONLCR));
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).during("tcsetattr", "stdin")?;
        Ok(RawMode(modes))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone: then there is nothing to restore.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}
