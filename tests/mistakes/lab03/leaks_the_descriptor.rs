//! "A descriptor is closed when its process ends."
//!
//! task: 4
//! test: task4_the_descriptor_does_not_reach_the_command
//! says: SFD_CLOEXEC was left out

let mut signals: SigSet = FORWARDED.into_iter().collect();
signals.add(Signal::SIGCHLD);
signals.thread_block().during("sigprocmask", "SIG_BLOCK")?;
SignalFd::new(&signals).during("signalfd", "no flags")
