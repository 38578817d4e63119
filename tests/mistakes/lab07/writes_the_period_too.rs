//! "QUOTA PERIOD are two words."
//!
//! task: 2
//! test: task5_a_quota_alone_is_of_the_groups_own_period
//! says: the period was written too

let mut knobs = Vec::new();
match version {
    Version::V1 => {
        knobs.extend(cpu.shares.map(|shares| Knob::new("cpu.shares", shares)));
        knobs.extend(cpu.period_us.map(|period_us| Knob::new("cpu.cfs_period_us", period_us)));
        knobs.extend(cpu.quota_us.map(|quota_us| Knob::new("cpu.cfs_quota_us", quota_us)));
    }
    Version::V2 => {
        knobs.extend(cpu.shares.map(|shares| Knob::new("cpu.weight", weight(shares))));
        let quota = cpu.quota_us.map(|us| if us < 0 { "max".to_owned() } else { us.to_string() });
        let max = match (quota, cpu.period_us) {
            (Some(quota), period_us) => Some(format!("{quota} {}", period_us.unwrap_or(100_000))),
            (None, None) => None,
            (None, Some(period_us)) => Some(format!("max {period_us}")),
        };
        knobs.extend(max.map(|max| Knob::new("cpu.max", max)));
    }
}
knobs.extend(cpu.cpus.as_ref().map(|cpus| Knob::new("cpuset.cpus", cpus)));
knobs.extend(cpu.mems.as_ref().map(|mems| Knob::new("cpuset.mems", mems)));
knobs
