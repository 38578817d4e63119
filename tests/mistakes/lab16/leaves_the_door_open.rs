//! "Whoever knocks twice should hear something else than ECONNREFUSED."
//!
//! task: 3
//! test: task3_the_maker_is_told_and_the_command_waits
//! says: close-on-exec was taken from a descriptor

at.tell_the_maker()?;
nix::fcntl::fcntl(at.socket(), nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).during("fcntl", "F_SETFD")?;
let line = accept4(at.socket().as_raw_fd(), SockFlag::SOCK_CLOEXEC).during("accept", "the start")?;
// SAFETY: a new descriptor, and nobody else's.
at.answer(unsafe { OwnedFd::from_raw_fd(line) });
at.run_hooks()
