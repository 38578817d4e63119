//! "A signalfd takes the signals away from the process."
//!
//! task: 4
//! test: task4_the_signals_are_blocked_and_no_others
//! test: task4_the_descriptor_reads_each_of_them
//! says: a signalfd blocks nothing by itself

let mut signals: SigSet = FORWARDED.into_iter().collect();
signals.add(Signal::SIGCHLD);
SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).during("signalfd", "SFD_CLOEXEC")
