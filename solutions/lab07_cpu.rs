//! Lab 07: how much processor time.
//!
//! A cgroup is a directory that the kernel fills with files, its knobs. Whoever writes a number to a knob limits
//! every process of the group, and whoever writes a process's PID to one of them moves it in.

use std::fs;
use std::io::ErrorKind;
use std::thread::sleep;
use std::time::Duration;

use model::cgroup::{Knob, Throttling, Version};
use model::plan::Cpu;
use model::{Cgroup, During, Error, Result};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::Pid;

/// `cpu.weight` of v2, 1 to 10000, for `shares` of v1, 2 to 262144: one line through both ends, so that twice the
/// shares stay about twice the weight. Fractions are dropped. Source: kernel doc cgroup-v2, "CPU Interface Files".
#[must_use]
pub fn weight(shares: u64) -> u64 {
    // task 1: 2 becomes 1, 262144 becomes 10000, and a straight line goes from one to the other
    // nothing: shares
    1 + (shares.saturating_sub(2) * 9_999) / 262_142
    // end task
}

/// The knobs that `cpu` comes to, in the order in which they are to be written to a new group. What `cpu`
/// leaves open has no knob. Source: kernel docs cgroup-v1 and cgroup-v2, "CPU"; sched-bwc.
#[must_use]
pub fn knobs(cpu: &Cpu, version: Version) -> Vec<Knob> {
    // task 2: v1 has cpu.shares, cpu.cfs_period_us, cpu.cfs_quota_us (-1: no limit); v2 cpu.weight, cpu.max ("QUOTA PERIOD", max: no limit)
    // nothing: Vec::new()
    let mut knobs = Vec::new();
    match version {
        Version::V1 => {
            knobs.extend(cpu.shares.map(|shares| Knob::new("cpu.shares", shares)));
            // The period first: with the old one, the new quota may be more than the group above has.
            knobs.extend(cpu.period_us.map(|period_us| Knob::new("cpu.cfs_period_us", period_us)));
            knobs.extend(cpu.quota_us.map(|quota_us| Knob::new("cpu.cfs_quota_us", quota_us)));
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
    // end task
}

/// Makes the group `name` below `parent`, in every hierarchy, ready to be joined.
///
/// A new cpuset group of v1 has no processor and no memory node, and takes nobody in until it has: it gets those
/// of `parent`. Source: cgroups(7), "Creating cgroups"; cpuset(7), "EXTENDED CAPABILITIES" and ERRORS.
///
/// # Errors
/// EEXIST when there is one already, which stays as it is. Whatever the error, none is left half-made.
pub fn create(parent: &Cgroup, name: &str) -> Result<Cgroup> {
    // task 3: mkdirat(2) in each of parent.parts(); fill v1's cpuset.cpus and cpuset.mems; take back what is made when one fails
    // nothing: parent.child(".")
    let mut ours = Vec::new();
    let mut make = || {
        for part in parent.parts() {
            let path = part.path().join(name);
            mkdirat(part, name, Mode::from_bits_retain(0o755)).during("mkdir", path.display())?;
            ours.push(path);
        }
        let group = parent.child(name)?;
        if group.version("cpuset").is_ok_and(|version| version == Version::V1) {
            for knob in ["cpuset.cpus", "cpuset.mems"] {
                group.write(knob, parent.read(knob)?.trim())?;
            }
        }
        Ok(group)
    };
    make().inspect_err(|_| {
        // Only ours: the one that is in the way is somebody's. The first error is the one to tell.
        for path in &ours {
            let _ = fs::remove_dir(path);
        }
    })
    // end task
}

/// Moves `process`, with all its threads, into `group`, in every hierarchy. Children that it has later start there.
///
/// `process` is the PID that the caller knows it by; 0 is the caller itself. Source: cgroups(7), "Moving processes".
///
/// # Errors
/// ESRCH without such a process; ENOSPC for a cpuset without processors; EBUSY on v2, when the group hands
/// controllers to groups below it; EACCES for a process or a group that is not one's own.
pub fn join(group: &Cgroup, process: Pid) -> Result<()> {
    // task 4: write the PID to cgroup.procs of each of group.parts()
    group.parts().iter().try_for_each(|part| part.write("cgroup.procs", process))
    // end task
}

/// Sets `cpu`'s knobs in `group`.
///
/// # Errors
/// [`Error::Invalid`] when a group above allows less than `cpu`'s quota: v1's kernel refuses that itself (EINVAL), v2's
/// takes it and gives less. Otherwise what [`Cgroup::write`] says.
pub fn limit(group: &Cgroup, cpu: &Cpu) -> Result<()> {
    // task 5: refuse what the cpu.max of a v2 group above does not give, then write the knobs of the cpu and the cpuset controller
    if *cpu == Cpu::default() {
        return Ok(()); // and no controller is asked for
    }
    let version = group.version("cpu").or_else(|_| group.version("cpuset"))?;
    if let (Version::V2, Some(quota_us @ 1..)) = (version, cpu.quota_us) {
        // A group without a limit has a word in place of the number; the top has no such knob.
        let numbers = |max: &str| {
            let (quota_us, period_us) = max.trim().split_once(' ')?;
            Some((quota_us.parse::<u64>().unwrap_or(u64::MAX), period_us.parse::<u64>().ok()?))
        };
        let part = group.part("cpu")?;
        let own_period_us = numbers(&part.read("cpu.max")?).map_or(100_000, |(_, period_us)| period_us);
        let (quota_us, period_us) = (quota_us.cast_unsigned(), cpu.period_us.unwrap_or(own_period_us));
        for above in part.ancestors()? {
            let max = above.read("cpu.max").unwrap_or_default();
            // Two fractions, compared without a division.
            let is_tighter = |(theirs_us, of_us)| quota_us.saturating_mul(of_us) > period_us.saturating_mul(theirs_us);
            if numbers(&max).is_some_and(is_tighter) {
                let theirs = format!("{} in {}", max.trim(), above.path().display());
                return Err(Error::invalid("cpu.max of the group above", theirs, "as much as is asked for, or more"));
            }
        }
    }
    for knob in knobs(cpu, version) {
        group.write(knob.name, knob.value)?;
    }
    Ok(())
    // end task
}

/// How often the group had to wait for its next period. Source: kernel docs sched-bwc and cgroup-v2, `cpu.stat`.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn throttling(group: &Cgroup) -> Result<Throttling> {
    // task 6: cpu.stat has nr_periods, nr_throttled, and throttled_time (v1, ns) or throttled_usec (v2, µs)
    let stat = group.read("cpu.stat")?;
    let value = |name| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Ok(Throttling {
        periods: value("nr_periods ").unwrap_or(0),
        throttled: value("nr_throttled ").unwrap_or(0),
        throttled_us: value("throttled_usec ").or(value("throttled_time ").map(|ns| ns / 1000)).unwrap_or(0),
    })
    // end task
}

/// Ends what runs in `group` and below, and removes it, in every hierarchy. One that is gone already is as good.
///
/// # Errors
/// EBUSY when a process in it does not end within seconds.
pub fn remove(group: &Cgroup) -> Result<()> {
    // task 7: Cgroup::kill, then rmdir(2) for each path of each part's tree(); EBUSY: somebody is still dying, wait and try again
    group.kill()?;
    for part in group.parts() {
        for path in part.tree()? {
            // Two seconds in all: a killed process leaves its group when it has ended, and not before.
            let mut tries = 400;
            while let Err(error) = fs::remove_dir(&path) {
                match error.kind() {
                    ErrorKind::NotFound => break,
                    ErrorKind::ResourceBusy if tries > 0 => tries -= 1,
                    _ => return Err(error).during("rmdir", path.display()),
                }
                sleep(Duration::from_millis(5));
            }
        }
    }
    Ok(())
    // end task
}
