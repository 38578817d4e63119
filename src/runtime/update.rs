//! `update`: other limits for a container that runs.

use model::cgroup::Version;
use model::plan::{Cpu, Memory, Resources};
use model::{Cgroup, During, Result};
use nix::errno::Errno;

use super::cgroup;

/// What a failed update puts back, of either version. Rates of block devices are not among them: they are set last.
const KNOBS: [&str; 17] = [
    "cpu.shares",
    "cpu.weight",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.max",
    "cpuset.cpus",
    "cpuset.mems",
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.max",
    "memory.swap.max",
    "memory.low",
    "pids.max",
    "blkio.bfq.weight",
    "blkio.weight",
    "io.weight",
];

/// Sets what `resources` names, and leaves the rest as it is; all of it, when something is refused.
///
/// # Errors
/// What the kernel refuses; EBUSY for less memory than the container cannot do without.
pub fn apply(group: &Cgroup, resources: &Resources) -> Result<()> {
    let cpu = with_other_half(group, &resources.cpu)?;
    check_need(group, &resources.memory)?;
    let before: Vec<_> = KNOBS.iter().filter_map(|knob| Some((*knob, group.read(knob).ok()?))).collect();
    let result = cgroup::limit(group, &Resources { cpu, ..resources.clone() });
    if result.is_err() {
        // Twice: one that is refused now may be right when its neighbour is what it was.
        for (knob, value) in before.iter().chain(&before) {
            if group.read(knob).is_ok_and(|now| now != *value) {
                let _ = group.write(knob, value);
            }
        }
    }
    result
}

/// A quota and its period are one limit: of which half is given, the other stays, and does not become the default.
fn with_other_half(group: &Cgroup, cpu: &Cpu) -> Result<Cpu> {
    if cpu.quota_us.is_some() == cpu.period_us.is_some() {
        return Ok(cpu.clone());
    }
    let now = match group.version("cpu")? {
        Version::V1 => group.read("cpu.cfs_quota_us")? + " " + &group.read("cpu.cfs_period_us")?,
        Version::V2 => group.read("cpu.max")?,
    };
    let mut words = now.split_whitespace();
    // Without a limit v1 has -1 there, v2 a word.
    let quota_us = words.next().and_then(|word| word.parse().ok()).unwrap_or(-1);
    let period_us = words.next().and_then(|word| word.parse().ok());
    Ok(Cpu { quota_us: cpu.quota_us.or(Some(quota_us)), period_us: cpu.period_us.or(period_us), ..cpu.clone() })
}

/// v1's kernel refuses a limit that it cannot reach by taking back what it can read again. v2's takes the limit and
/// ends processes until it holds, which is no way to update.
fn check_need(group: &Cgroup, memory: &Memory) -> Result<()> {
    let Some(limit_bytes) = memory.limit_bytes.and_then(|limit| u64::try_from(limit).ok()) else { return Ok(()) };
    if group.version("memory")? == Version::V2 {
        let stat = group.read("memory.stat")?;
        let need_bytes = stat.lines().find_map(|line| line.strip_prefix("anon ")?.parse::<u64>().ok());
        if need_bytes.is_some_and(|need_bytes| need_bytes > limit_bytes) {
            return Err(Errno::EBUSY).during("write", cgroup::too_little_memory(limit_bytes));
        }
    }
    Ok(())
}
