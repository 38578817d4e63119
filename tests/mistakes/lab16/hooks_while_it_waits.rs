//! "There is time for the hooks while it waits."
//!
//! task: 3
//! test: task3_hooks_after_the_start
//! says: they are called as part of the start: after accept4(2)

at.tell_the_maker()?;
at.run_hooks()?;
let line = accept4(at.socket().as_raw_fd(), SockFlag::SOCK_CLOEXEC).during("accept", "the start")?;
// SAFETY: a new descriptor, and nobody else's.
at.answer(unsafe { OwnedFd::from_raw_fd(line) });
Ok(())
