//! Lab 07 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

use std::fs;
use std::io::ErrorKind;
use std::thread::sleep;
use std::time::{Duration, Instant};

use model::cgroup::{Knob, Part, Throttling, Version};
use model::plan::Cpu;
use model::{Cgroup, During, Error, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

/// `cpu.weight` of v2, 1 to 10000, for `shares` of v1, 2 to 262144: one line through both ends, so that twice the
/// shares stay about twice the weight. Fractions are dropped. Source: kernel doc cgroup-v2, "CPU Interface Files".
#[must_use]
pub fn weight(shares: u64) -> u64 {
    const SHARES: (u64, u64) = (2, 262_144);
    const WEIGHT: (u64, u64) = (1, 10_000);
    let above = shares.clamp(SHARES.0, SHARES.1) - SHARES.0;
    WEIGHT.0 + above * (WEIGHT.1 - WEIGHT.0) / (SHARES.1 - SHARES.0)
}

/// The knobs that `cpu` comes to, in the order in which they are to be written to a new group. What `cpu`
/// leaves open has no knob. Source: kernel docs cgroup-v1 and cgroup-v2, "CPU"; sched-bwc.
#[must_use]
pub fn knobs(cpu: &Cpu, version: Version) -> Vec<Knob> {
    let Cpu { quota_us, period_us, shares, cpus, mems } = cpu;
    let limit = quota_us.filter(|quota| *quota >= 0);
    let mut all = Vec::new();
    match version {
        Version::V1 => {
            all.extend(shares.map(|shares| Knob::new("cpu.shares", shares)));
            // A quota of a long period may be too much for the kernel's own, shorter one: the period first.
            all.extend(period_us.map(|period| Knob::new("cpu.cfs_period_us", period)));
            all.extend(quota_us.map(|_| Knob::new("cpu.cfs_quota_us", limit.unwrap_or(-1))));
        }
        Version::V2 => {
            all.extend(shares.map(|shares| Knob::new("cpu.weight", weight(shares))));
            let quota = limit.map_or("max".to_owned(), |quota| quota.to_string());
            match (quota_us, period_us) {
                (_, Some(period)) => all.push(Knob::new("cpu.max", format_args!("{quota} {period}"))),
                (Some(_), None) => all.push(Knob::new("cpu.max", quota)),
                (None, None) => {}
            }
        }
    }
    all.extend(cpus.as_ref().map(|list| Knob::new("cpuset.cpus", list)));
    all.extend(mems.as_ref().map(|list| Knob::new("cpuset.mems", list)));
    all
}

/// Makes the group `name` below `parent`, in every hierarchy, ready to be joined.
///
/// A new cpuset group of v1 has no processor and no memory node, and takes nobody in until it has: it gets those
/// of `parent`. Source: cgroups(7), "Creating cgroups"; cpuset(7), "EXTENDED CAPABILITIES" and ERRORS.
///
/// # Errors
/// EEXIST when there is one already, which stays as it is. Whatever the error, none is left half-made.
pub fn create(parent: &Cgroup, name: &str) -> Result<Cgroup> {
    let mut made = Vec::new();
    let result = (|| {
        for part in parent.parts() {
            let mode = Mode::from_bits_retain(0o755);
            mkdirat(part, name, mode).during("mkdir", part.path().join(name).display())?;
            made.push(part);
        }
        let group = parent.child(name)?;
        for (above, part) in parent.parts().iter().zip(group.parts()) {
            for knob in ["cpuset.cpus", "cpuset.mems"] {
                if part.version() == Version::V1 && part.has(knob) {
                    part.write(knob, above.read(knob)?.trim())?;
                }
            }
        }
        Ok(group)
    })();
    if result.is_err() {
        // What cannot be taken back cannot be told either: the first error is the one that counts.
        for part in made.into_iter().rev() {
            let _ = unlinkat(part, name, UnlinkatFlags::RemoveDir);
        }
    }
    result
}

/// Moves `process`, with all its threads, into `group`, in every hierarchy. Children that it has later start there.
///
/// `process` is the PID that the caller knows it by; 0 is the caller itself. Source: cgroups(7), "Moving processes".
///
/// # Errors
/// ESRCH without such a process; ENOSPC for a cpuset without processors; EBUSY on v2, when the group hands
/// controllers to groups below it; EACCES for a process or a group that is not one's own.
pub fn join(group: &Cgroup, process: Pid) -> Result<()> {
    group.parts().iter().try_for_each(|part| part.write("cgroup.procs", process))
}

/// Sets `cpu`'s knobs in `group`.
///
/// # Errors
/// [`Error::Invalid`] when a group above allows less than `cpu`'s quota: v1's kernel refuses that itself (EINVAL), v2's
/// takes it and gives less. Otherwise what [`Cgroup::write`] says.
pub fn limit(group: &Cgroup, cpu: &Cpu) -> Result<()> {
    let only_cpu = Cpu { cpus: None, mems: None, ..cpu.clone() };
    let only_set = Cpu { cpus: cpu.cpus.clone(), mems: cpu.mems.clone(), ..Cpu::default() };
    if let Some(quota) = cpu.quota_us.filter(|quota| *quota >= 0) {
        let part = group.part("cpu")?;
        // Without a period in the request the group keeps the one it has.
        let period = cpu.period_us.map_or_else(|| bandwidth(part).map(|(_, period)| period), Ok)?;
        for above in part.ancestors()? {
            // The top of a hierarchy has no such knobs on v2, and no limit.
            if above.has("cpu.max") || above.has("cpu.cfs_quota_us") {
                let (most, of) = bandwidth(&above)?;
                let is_tighter = |most: u64| u128::from(most) * u128::from(period) < quota as u128 * u128::from(of);
                if let Some(most) = most.filter(|most| is_tighter(*most)) {
                    let right = format!("{} allows {most} in {of} µs", above.path().display());
                    return Err(Error::invalid(
                        "cpu.quota (--cpus, --cpu-quota)",
                        format!("{quota} in {period} µs"),
                        right,
                    ));
                }
            }
        }
    }
    // On a hybrid machine the two may be on different versions; and what is not asked for need not be there.
    for (controller, asked) in [("cpu", only_cpu), ("cpuset", only_set)] {
        if asked != Cpu::default() {
            let version = group.version(controller)?;
            knobs(&asked, version).into_iter().try_for_each(|knob| group.write(knob.name, knob.value))?;
        }
    }
    Ok(())
}

/// The quota of a group, `None` for no limit, and its period, in µs.
fn bandwidth(part: &Part) -> Result<(Option<u64>, u64)> {
    let text = match part.version() {
        Version::V1 => format!("{} {}", part.read("cpu.cfs_quota_us")?.trim(), part.read("cpu.cfs_period_us")?),
        Version::V2 => part.read("cpu.max")?,
    };
    let mut words = text.split_whitespace();
    // -1 and max are no number of this kind, which is just right.
    let quota = words.next().and_then(|word| word.parse().ok());
    let period = words.next().and_then(|word| word.parse().ok());
    Ok((quota, period.ok_or_else(|| Error::invalid("cpu.max", text.trim(), "QUOTA PERIOD"))?))
}

/// How often the group had to wait for its next period. Source: kernel docs sched-bwc and cgroup-v2, `cpu.stat`.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn throttling(group: &Cgroup) -> Result<Throttling> {
    let text = group.read("cpu.stat")?;
    let count = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.trim().parse::<u64>().ok())
    };
    let waited = count("throttled_usec").or_else(|| count("throttled_time").map(|ns| ns / 1000));
    Ok(Throttling {
        periods: count("nr_periods").unwrap_or_default(),
        throttled: count("nr_throttled").unwrap_or_default(),
        throttled_us: waited.unwrap_or_default(),
    })
}

/// Ends what runs in `group` and below, and removes it, in every hierarchy. One that is gone already is as good.
///
/// # Errors
/// EBUSY when a process in it does not end within seconds.
pub fn remove(group: &Cgroup) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(4);
    loop {
        group.kill()?;
        match group.parts().iter().try_for_each(remove_part) {
            Err(error) if error.errno() == Some(Errno::EBUSY) && Instant::now() < deadline => {
                sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Removes a group in one hierarchy, with those below it, if nobody is in any of them.
fn remove_part(part: &Part) -> Result<()> {
    for path in part.tree()? {
        match fs::remove_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => result.during("rmdir", path.display())?,
        }
    }
    Ok(())
}
