//! "The three masks say it all."
//!
//! task: 5
//! test: task5_a_pid_1_that_sits_in_sigwait_gets_it
//! says: SigBlk: leaves out what it waits for

let status = fs::read_to_string(format!("/proc/{main}/status")).unwrap_or_default();
let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
let is_pid1 = field("NSpid:").split_whitespace().last() == Some("1");
let in_mask = |name: &str| {
    let mask = u64::from_str_radix(field(name), 16).unwrap_or_default();
    mask & (1 << (signal as i32 - 1)) != 0
};
let has_opinion = ["SigCgt:", "SigIgn:", "SigBlk:"].into_iter().any(in_mask);
match kill(main, if is_pid1 && !has_opinion { Signal::SIGKILL } else { signal }) {
    Err(Errno::ESRCH) => Ok(()),
    result => result.during("kill", main),
}
