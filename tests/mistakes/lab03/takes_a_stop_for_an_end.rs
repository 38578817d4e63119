//! "waitpid() returned, so the process is done."
//!
//! task: 3
//! test: task3_a_process_that_lives_has_no_code
//! says: whoever takes them for one leaves the process behind

match status {
    WaitStatus::Exited(_, code) => Some(code),
    WaitStatus::Signaled(_, signal, _) | WaitStatus::Stopped(_, signal) => Some(128 + signal as i32),
    _ => None,
}
