//! "throttled_time is the time."
//!
//! task: 6
//! test: task6_both_versions_are_read
//! says: v1's throttled_time is in ns

let stat = group.read("cpu.stat")?;
let value = |name| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
Ok(Throttling {
    periods: value("nr_periods ").unwrap_or(0),
    throttled: value("nr_throttled ").unwrap_or(0),
    throttled_us: value("throttled_usec ").or(value("throttled_time ")).unwrap_or(0),
})
