//! "The line in which throttled stands."
//!
//! task: 6
//! test: task6_both_versions_are_read
//! says: the line of nr_throttled was taken for the time

let stat = group.read("cpu.stat")?;
let value = |name| {
    let line = stat.lines().find(|line| line.contains(name))?;
    line.split(' ').nth(1)?.parse::<u64>().ok()
};
let unit = if stat.contains("throttled_time") { 1000 } else { 1 };
Ok(Throttling {
    periods: value("periods").unwrap_or(0),
    throttled: value("throttled").unwrap_or(0),
    throttled_us: value("throttled").unwrap_or(0) / unit,
})
