//! "An error of kill() is an error."
//!
//! task: 5
//! test: task5_a_main_that_has_ended_is_no_error
//! says: main ended a moment before

let status = fs::read_to_string(format!("/proc/{main}/status")).unwrap_or_default();
let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
let is_pid1 = field("NSpid:").split_whitespace().last() == Some("1");
let in_mask = |name: &str| {
    let mask = u64::from_str_radix(field(name), 16).unwrap_or_default();
    mask & (1 << (signal as i32 - 1)) != 0
};
let has_opinion = ["SigCgt:", "SigIgn:", "SigBlk:"].into_iter().any(in_mask) || sits_in_sigwait(main);
let signal = if is_pid1 && !has_opinion { Signal::SIGKILL } else { signal };
kill(main, signal).during("kill", main)
