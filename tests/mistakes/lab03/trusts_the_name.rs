//! "Whatever stands behind NSpid: is it."
//!
//! task: 7
//! test: task7_a_real_process_is_read
//! says: the words were found in the line Name:

let pids = status.split_once("NSpid:").and_then(|(_, rest)| rest.lines().next());
let pids = pids.map(|pids| pids.replace("\\t", " "));
pids.and_then(|pids| pids.split_whitespace().map(|pid| pid.parse().map(Pid::from_raw).ok()).collect())
    .ok_or_else(|| Error::invalid("/proc/PID/status", status, "it has a line NSpid: and numbers"))
