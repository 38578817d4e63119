//! "Without a word, the period is 100000."
//!
//! task: 5
//! test: task5_a_quota_alone_is_of_the_groups_own_period
//! says: the quota was taken for one of 100000 µs

if *cpu == Cpu::default() {
    return Ok(());
}
let version = group.version("cpu").or_else(|_| group.version("cpuset"))?;
if let (Version::V2, Some(quota_us @ 1..)) = (version, cpu.quota_us) {
    let part = group.part("cpu")?;
    let (quota_us, period_us) = (quota_us.cast_unsigned(), cpu.period_us.unwrap_or(100_000));
    for above in part.ancestors()? {
        let max = above.read("cpu.max").unwrap_or_default();
        let Some((theirs_us, of_us)) = max.trim().split_once(' ') else { continue };
        let (theirs_us, of_us): (u64, u64) = (theirs_us.parse().unwrap_or(u64::MAX), of_us.parse().unwrap_or(1));
        if quota_us.saturating_mul(of_us) > period_us.saturating_mul(theirs_us) {
            return Err(Error::invalid("cpu.max of the group above", max.trim(), "as much as is asked for"));
        }
    }
}
for knob in knobs(cpu, version) {
    group.write(knob.name, knob.value)?;
}
Ok(())
