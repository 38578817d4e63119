//! "Quota by period is the part of a processor."
//!
//! task: 5
//! test: task5_what_v2_takes_in_silence_is_refused
//! says: quota by period was divided as whole numbers

if *cpu == Cpu::default() {
    return Ok(());
}
let version = group.version("cpu").or_else(|_| group.version("cpuset"))?;
if let (Version::V2, Some(quota_us @ 1..)) = (version, cpu.quota_us) {
    let part = group.part("cpu")?;
    let own_us = part.read("cpu.max")?.trim().split_once(' ').and_then(|(_, us)| us.parse().ok()).unwrap_or(100_000);
    let (quota_us, period_us) = (quota_us.cast_unsigned(), cpu.period_us.unwrap_or(own_us));
    for above in part.ancestors()? {
        let max = above.read("cpu.max").unwrap_or_default();
        let Some((theirs_us, of_us)) = max.trim().split_once(' ') else { continue };
        let (theirs_us, of_us): (u64, u64) = (theirs_us.parse().unwrap_or(u64::MAX), of_us.parse().unwrap_or(1));
        if quota_us / period_us > theirs_us / of_us {
            return Err(Error::invalid("cpu.max of the group above", max.trim(), "as much as is asked for"));
        }
    }
}
for knob in knobs(cpu, version) {
    group.write(knob.name, knob.value)?;
}
Ok(())
