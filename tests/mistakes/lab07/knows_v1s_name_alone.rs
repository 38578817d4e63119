//! "cpu.stat is cpu.stat."
//!
//! task: 6
//! test: task6_both_versions_are_read
//! says: the time has another name in the other version

let stat = group.read("cpu.stat")?;
let value = |name| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
Ok(Throttling {
    periods: value("nr_periods ").unwrap_or(0),
    throttled: value("nr_throttled ").unwrap_or(0),
    throttled_us: value("throttled_time ").map(|ns| ns / 1000).unwrap_or(0),
})
