//! "That somebody came is all there is to know."
//!
//! task: 3
//! test: task3_whoever_starts_it_hears_what_went_wrong
//! says: nobody was told: the line that accept4(2) returned

at.tell_the_maker()?;
let line = accept4(at.socket().as_raw_fd(), SockFlag::SOCK_CLOEXEC).during("accept", "the start")?;
// SAFETY: a new descriptor, and nobody else's.
drop(unsafe { OwnedFd::from_raw_fd(line) });
at.run_hooks()
