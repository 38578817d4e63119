//! "The PID in its own namespace is the one that counts."
//!
//! task: 7
//! test: task7_every_level_has_a_number
//! says: only the innermost number

let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
let pid = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
pid.map(|pid| vec![Pid::from_raw(pid)]).ok_or_else(|| Error::invalid("/proc/PID/status", status, "it has a line NSpid: and numbers"))
