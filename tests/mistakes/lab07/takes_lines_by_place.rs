//! "The first line, the second, the third."
//!
//! task: 6
//! test: task6_both_versions_are_read
//! says: the lines were taken by their place

let stat = group.read("cpu.stat")?;
let numbers: Vec<u64> = stat.lines().filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect();
let us = if stat.contains("throttled_time") { numbers[2] / 1000 } else { numbers[2] };
Ok(Throttling { periods: numbers[0], throttled: numbers[1], throttled_us: us })
