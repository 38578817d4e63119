//! "A process is what it calls itself."
//!
//! task: 4
//! test: task4_the_pid_is_the_callers
//! says: the PID was written as seen from inside

let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
let inside = pids.and_then(|pids| pids.split_whitespace().last()?.parse().ok()).unwrap_or(process.as_raw());
group.parts().iter().try_for_each(|part| part.write("cgroup.procs", inside))
