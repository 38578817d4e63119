//! "SIGTERM is the polite way to end a process."
//!
//! task: 2
//! test: task2_sigkill_is_asked_for
//! test: task2_a_pid_1_dies_with_its_parent
//! says: or that a PID 1 never gets

prctl::set_pdeathsig(Signal::SIGTERM).during("prctl", "PR_SET_PDEATHSIG")
