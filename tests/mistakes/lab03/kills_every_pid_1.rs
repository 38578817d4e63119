//! "A PID 1 gets no signals, so it has to be killed."
//!
//! task: 5
//! test: task5_a_pid_1_that_blocks_the_signal_finds_it_pending
//! test: task5_a_pid_1_that_catches_the_signal_gets_it
//! says: to read it when it likes

let status = fs::read_to_string(format!("/proc/{main}/status")).unwrap_or_default();
let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
let is_pid1 = field("NSpid:").split_whitespace().last() == Some("1");
match kill(main, if is_pid1 { Signal::SIGKILL } else { signal }) {
    Err(Errno::ESRCH) => Ok(()),
    result => result.during("kill", main),
}
