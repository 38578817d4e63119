//! "SIGCHLD is not forwarded, so it need not be watched."
//!
//! task: 4
//! test: task4_the_signals_are_blocked_and_no_others
//! says: nothing wakes the supervisor

let signals: SigSet = FORWARDED.into_iter().collect();
signals.thread_block().during("sigprocmask", "SIG_BLOCK")?;
SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).during("signalfd", "SFD_CLOEXEC")
