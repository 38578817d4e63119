//! "What is asked for first is written first."
//!
//! task: 2
//! test: task2_the_period_is_written_before_the_quota
//! says: the quota came before its period

let mut knobs = Vec::new();
match version {
    Version::V1 => {
        knobs.extend(cpu.shares.map(|shares| Knob::new("cpu.shares", shares)));
        knobs.extend(cpu.quota_us.map(|quota_us| Knob::new("cpu.cfs_quota_us", quota_us)));
        knobs.extend(cpu.period_us.map(|period_us| Knob::new("cpu.cfs_period_us", period_us)));
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
