//! "The first line with NS in it."
//!
//! task: 7
//! test: task7_every_level_has_a_number
//! says: NStgid: and NSpgid: look alike

let line = status.lines().find(|line| line.starts_with("NS")).and_then(|line| line.split_once(':'));
line.and_then(|(_, pids)| pids.split_whitespace().map(|pid| pid.parse().map(Pid::from_raw).ok()).collect())
    .ok_or_else(|| Error::invalid("/proc/PID/status", status, "it has a line NSpid: and numbers"))
