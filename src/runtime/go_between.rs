//! A process between boxwright and the container: it enters namespaces, forks, and is gone.
//!
//! ```text
//! boxwright             go-between                 the container
//!   | fork ---------------> | enters, root in there
//!   |                       | fork -----------------> | its first process
//!   | <--- its PID -------- | ends
//!   | <--- is ours now ------------------------------ |
//! ```
//!
//! boxwright stays outside, with its own powers over state and cgroup. A PID namespace belongs to the user namespace that
//! it was made in, and one that is joined is for children alone: so somebody has to go there first and fork in there. An orphan
//! then comes to its nearest subreaper.

#![allow(unsafe_code, reason = "fork has no safe wrapper")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::{During, Error, Message, Result};
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use super::exec::exit_now;

/// Forks a go-between, which calls `enter` and then `fork_there` with the descriptor that it reports by. Returns in the child of
/// that fork, and in the caller, whose child it is by then.
pub fn start(
    enter: impl FnOnce() -> Result<()>,
    fork_there: impl FnOnce(BorrowedFd<'_>) -> Result<ForkResult>,
) -> Result<ForkResult> {
    prctl::set_child_subreaper(true).during("prctl", "PR_SET_CHILD_SUBREAPER")?;
    let (told, tell) = pipe2(OFlag::O_CLOEXEC).during("pipe", "the go-between")?;
    // SAFETY: the caller has one thread, so that no lock can be held by a thread that the child lacks.
    let go_between = match unsafe { fork() }.during("fork", "the go-between")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(told);
            let said = match enter().and_then(|()| fork_there(tell.as_fd())) {
                Ok(ForkResult::Child) => return Ok(ForkResult::Child),
                Ok(ForkResult::Parent { child }) => child.to_string().into_bytes(),
                Err(error) => Message::from(&error).to_bytes(),
            };
            let _ = File::from(tell).write_all(&said);
            exit_now(0)
        }
    };
    drop(tell);
    let said = hear(told, go_between)?;
    match str::from_utf8(&said).ok().and_then(|text| text.parse().ok()) {
        Some(pid) => Ok(ForkResult::Parent { child: Pid::from_raw(pid) }),
        None => Err(refusal(&said)),
    }
}

/// All that `child` says, which ends then.
pub fn hear(told: OwnedFd, child: Pid) -> Result<Vec<u8>> {
    let mut said = Vec::new();
    File::from(told).read_to_end(&mut said).during("read", "what a forked process says")?;
    waitpid(child, None).during("waitpid", child)?;
    Ok(said)
}

/// The error in what a process said that has not done its work: nothing, when it was killed, panicked, or could not write.
pub fn refusal(said: &[u8]) -> Error {
    let in_words = || Message::panicked("a process on the way to it has ended without a word");
    Message::from_bytes(said).unwrap_or_else(in_words).into_error()
}
