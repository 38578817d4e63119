//! "It failed, so 1."
//!
//! task: 3
//! test: task3_a_signal_counts_from_128
//! says: a death by signal has a code of its own

match status {
    WaitStatus::Exited(_, code) => Some(code),
    WaitStatus::Signaled(..) => Some(1),
    _ => None,
}
