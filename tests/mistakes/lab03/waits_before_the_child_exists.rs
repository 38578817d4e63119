//! "First collect what has ended already, so that the watch begins with a clean table."
//!
//! task: 4
//! test: task4_the_signals_are_blocked_and_no_others
//! says: there is no child to wait for, and waiting is supervise()'s

let mut signals: SigSet = FORWARDED.into_iter().collect();
signals.add(Signal::SIGCHLD);
signals.thread_block().during("sigprocmask", "SIG_BLOCK")?;
nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)).during("waitpid", "any child")?;
SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).during("signalfd", "SFD_CLOEXEC")
