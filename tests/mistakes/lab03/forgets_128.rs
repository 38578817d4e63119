//! "Killed by signal 9: the code is 9."
//!
//! task: 3
//! test: task3_a_signal_counts_from_128
//! says: looks like an exit code: add 128

match status {
    WaitStatus::Exited(_, code) => Some(code),
    WaitStatus::Signaled(_, signal, _) => Some(signal as i32),
    _ => None,
}
