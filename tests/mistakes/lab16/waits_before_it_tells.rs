//! "Done is done when somebody starts it."
//!
//! task: 3
//! test: task3_the_maker_is_told_and_the_command_waits
//! says: it waits at the door first, and create waits for it

let line = accept4(at.socket().as_raw_fd(), SockFlag::SOCK_CLOEXEC).during("accept", "the start")?;
at.tell_the_maker()?;
// SAFETY: a new descriptor, and nobody else's.
at.answer(unsafe { OwnedFd::from_raw_fd(line) });
at.run_hooks()
