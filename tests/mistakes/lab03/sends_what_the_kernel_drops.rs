//! "kill() returned Ok, so the signal has arrived."
//!
//! task: 5
//! test: task5_a_pid_1_without_a_handler_ends
//! test: task6_a_pid_1_without_a_handler_ends_too
//! says: Who does look for a PID 1 has to take the last number

match kill(main, signal) {
    Err(Errno::ESRCH) => Ok(()),
    result => result.during("kill", main),
}
