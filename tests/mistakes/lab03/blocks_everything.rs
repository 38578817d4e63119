//! "Every signal is the supervisor's business."
//!
//! task: 4
//! test: task4_the_signals_are_blocked_and_no_others
//! says: Ctrl-Z (SIGTSTP) would do nothing any more

SigSet::all().thread_block().during("sigprocmask", "SIG_BLOCK")?;
SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC).during("signalfd", "SFD_CLOEXEC")
