//! "memory.failcnt, a counter."
//!
//! task: 6
//! test: task6_v1_says_it_in_the_oom_control
//! says: memory.failcnt counts how often the limit was met

match group.version("memory")? {
    Version::V1 => Ok(group.read("memory.failcnt")?.trim().parse().unwrap_or(0)),
    Version::V2 => Ok(field(&group.read("memory.events")?, "oom_kill")),
}
