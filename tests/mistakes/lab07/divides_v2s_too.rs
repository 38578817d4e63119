//! "The kernel counts in ns."
//!
//! task: 6
//! test: task6_both_versions_are_read
//! says: v2's throttled_usec is in µs already

let stat = group.read("cpu.stat")?;
let value = |name| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
Ok(Throttling {
    periods: value("nr_periods ").unwrap_or(0),
    throttled: value("nr_throttled ").unwrap_or(0),
    throttled_us: value("throttled_usec ").or(value("throttled_time ")).map(|ns| ns / 1000).unwrap_or(0),
})
