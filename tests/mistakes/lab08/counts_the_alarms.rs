//! "oom is what happened."
//!
//! task: 6
//! test: task6_v2_says_it_in_the_events
//! says: the line "oom 

let text = match group.version("memory")? {
    Version::V1 => group.read("memory.oom_control")?,
    Version::V2 => group.read("memory.events")?,
};
Ok(field(&text, if text.contains("\noom ") { "oom" } else { "oom_kill" }))
