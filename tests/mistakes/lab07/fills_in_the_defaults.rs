//! "What is not asked for is the default."
//!
//! task: 2
//! test: task2_nothing_asked_is_no_knob
//! says: a value was made up for what was not asked for

let mut knobs = Vec::new();
match version {
    Version::V1 => {
        knobs.push(Knob::new("cpu.shares", cpu.shares.unwrap_or(1024)));
        knobs.push(Knob::new("cpu.cfs_period_us", cpu.period_us.unwrap_or(100_000)));
        knobs.push(Knob::new("cpu.cfs_quota_us", cpu.quota_us.unwrap_or(-1)));
    }
    Version::V2 => {
        knobs.extend(cpu.shares.map(|shares| Knob::new("cpu.weight", weight(shares))));
        let quota = cpu.quota_us.map(|us| if us < 0 { "max".to_owned() } else { us.to_string() });
        let max = match (quota, cpu.period_us) {
            (Some(quota), Some(period_us)) => Some(format!("{quota} {period_us}")),
            (quota, None) => quota,
            (None, Some(period_us)) => Some(format!("max {period_us}")),
        };
        knobs.extend(max.map(|max| Knob::new("cpu.max", max)));
    }
}
knobs.extend(cpu.cpus.as_ref().map(|cpus| Knob::new("cpuset.cpus", cpus)));
knobs.extend(cpu.mems.as_ref().map(|mems| Knob::new("cpuset.mems", mems)));
knobs
