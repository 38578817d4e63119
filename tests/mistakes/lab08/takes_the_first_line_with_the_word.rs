//! "Search for oom_kill."
//!
//! task: 6
//! test: task6_v1_says_it_in_the_oom_control
//! says: oom_kill_disable is another line

let text = match group.version("memory")? {
    Version::V1 => group.read("memory.oom_control")?,
    Version::V2 => group.read("memory.events")?,
};
let line = text.lines().find(|line| line.starts_with("oom_kill")).unwrap_or_default();
Ok(line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
