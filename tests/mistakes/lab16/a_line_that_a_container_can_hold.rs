//! "accept(2) is accept4(2) without flags, and nobody needs flags."
//!
//! task: 3
//! test: task3_the_maker_is_told_and_the_command_waits
//! says: holds `start` for as long as they

at.tell_the_maker()?;
let line = accept4(at.socket().as_raw_fd(), SockFlag::empty()).during("accept", "the start")?;
// SAFETY: a new descriptor, and nobody else's.
at.answer(unsafe { OwnedFd::from_raw_fd(line) });
at.run_hooks()
