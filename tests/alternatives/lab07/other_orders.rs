//! Lab 07 in other orders, where the order is free: hierarchies from the last to the first, the cpuset before the
//! quota, a look at both versions' groups above before anything is written, one group removed after the other.
//!
//! alternative: whole file

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use model::cgroup::{Knob, Part, Throttling, Version};
use model::plan::Cpu;
use model::{Cgroup, During, Result};
use nix::errno::Errno;
use nix::unistd::Pid;

/// See the solution.
#[must_use]
pub fn weight(shares: u64) -> u64 {
    let steps = shares.clamp(2, 262_144) - 2;
    steps * 9_999 / 262_142 + 1
}

/// See the solution.
#[must_use]
pub fn knobs(cpu: &Cpu, version: Version) -> Vec<Knob> {
    let cpuset = [("cpuset.mems", cpu.mems.clone()), ("cpuset.cpus", cpu.cpus.clone())];
    let no_limit = if version == Version::V1 { "-1" } else { "max" };
    let quota = cpu.quota_us.map(|us| if us < 0 { no_limit.to_owned() } else { us.to_string() });
    let others = match version {
        Version::V1 => vec![
            ("cpu.cfs_period_us", cpu.period_us.map(|us| us.to_string())),
            ("cpu.cfs_quota_us", quota),
            ("cpu.shares", cpu.shares.map(|shares| shares.to_string())),
        ],
        Version::V2 => vec![
            (
                "cpu.max",
                quota
                    .or(cpu.period_us.map(|_| "max".into()))
                    .map(|quota| cpu.period_us.map_or(quota.clone(), |us| format!("{quota} {us}"))),
            ),
            ("cpu.weight", cpu.shares.map(|shares| weight(shares).to_string())),
        ],
    };
    cpuset.into_iter().chain(others).filter_map(|(name, value)| Some(Knob::new(name, value?))).collect()
}

/// See the solution.
pub fn create(parent: &Cgroup, name: &str) -> Result<Cgroup> {
    for (index, part) in parent.parts().iter().enumerate().rev() {
        if let Err(error) = make(part, name) {
            for made in &parent.parts()[index + 1..] {
                let _ = fs::remove_dir(made.path().join(name));
            }
            return Err(error);
        }
    }
    parent.child(name)
}

/// A group in one hierarchy, or none.
fn make(parent: &Part, name: &str) -> Result<()> {
    let path = parent.path().join(name);
    fs::create_dir(&path).during("mkdir", path.display())?;
    let fill = |knob: &str| {
        let list = parent.read(knob)?;
        fs::write(path.join(knob), list.trim()).during("write", path.join(knob).display())
    };
    if parent.version() == Version::V1 && parent.has("cpuset.cpus") {
        fill("cpuset.mems").and_then(|()| fill("cpuset.cpus")).inspect_err(|_| drop(fs::remove_dir(&path)))?;
    }
    Ok(())
}

/// See the solution.
pub fn join(group: &Cgroup, process: Pid) -> Result<()> {
    group.parts().iter().rev().try_for_each(|part| part.write("cgroup.procs", format!("{process}\n")))
}

/// See the solution.
pub fn limit(group: &Cgroup, cpu: &Cpu) -> Result<()> {
    if let Some(quota_us) = cpu.quota_us.filter(|us| *us > 0) {
        let part = group.part("cpu")?;
        let own_period_us = bandwidth(part).1;
        let asked = (u128::from(quota_us.unsigned_abs()), u128::from(cpu.period_us.unwrap_or(own_period_us)));
        for above in part.ancestors()? {
            if let (Some(us), of) = bandwidth(&above)
                && asked.0 * u128::from(of) > u128::from(us) * asked.1
            {
                return Err(Errno::EINVAL).during("limit below", above.path().display());
            }
        }
    }
    let Some(version) = ["cpuset", "cpu"].into_iter().find_map(|name| group.version(name).ok()) else {
        return if *cpu == Cpu::default() { Ok(()) } else { group.part("cpu").map(drop) };
    };
    knobs(cpu, version).iter().try_for_each(|knob| group.write(knob.name, &knob.value))
}

/// Quota, if there is one, and period.
fn bandwidth(part: &Part) -> (Option<u64>, u64) {
    let number = |knob: &str| part.read(knob).ok()?.trim().parse().ok();
    match part.read("cpu.max") {
        Ok(max) => {
            let mut words = max.split_whitespace().map(str::parse);
            let quota = words.next().and_then(std::result::Result::ok);
            (quota, words.next().and_then(std::result::Result::ok).unwrap_or(100_000))
        }
        Err(_) => (number("cpu.cfs_quota_us"), number("cpu.cfs_period_us").unwrap_or(100_000)),
    }
}

/// See the solution.
pub fn throttling(group: &Cgroup) -> Result<Throttling> {
    let text = group.read("cpu.stat")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair[0], pair[1].parse::<u64>().ok()?)));
    let all: HashMap<&str, u64> = pairs.collect();
    let one = |name| all.get(name).copied();
    Ok(Throttling {
        periods: one("nr_periods").unwrap_or_default(),
        throttled: one("nr_throttled").unwrap_or_default(),
        throttled_us: one("throttled_time").map(|ns| ns / 1000).or(one("throttled_usec")).unwrap_or_default(),
    })
}

/// See the solution.
pub fn remove(group: &Cgroup) -> Result<()> {
    for tries in 0.. {
        group.kill()?;
        let trees = group.parts().iter().rev().map(Part::tree).collect::<Result<Vec<_>>>()?;
        let left = trees.concat().into_iter().find_map(|path| Some((remove_one(&path).err()?, path)));
        match left {
            None => break,
            Some((Errno::EBUSY, _)) if tries < 300 => sleep(Duration::from_millis(10)),
            Some((errno, path)) => return Err(errno).during("rmdir", path.display()),
        }
    }
    Ok(())
}

fn remove_one(path: &Path) -> std::result::Result<(), Errno> {
    match fs::remove_dir(path) {
        Err(error) if error.raw_os_error() != Some(Errno::ENOENT as i32) => {
            Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
        }
        _ => Ok(()),
    }
}
