//! Lab 08 by trial: make room, hand the controllers down, and begin again as long as the kernel says EBUSY; write once to the
//! freezer and ask without a pause; errors for numbers that are none.
//!
//! alternative: whole file

use std::thread::yield_now;
use std::time::{Duration, Instant};

use model::cgroup::{Knob, LEAF, Part, Usage, Version};
use model::plan::Memory;
use model::{Cgroup, During, Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::getpid;

/// See the solution.
pub fn knobs(memory: &Memory, version: Version) -> Vec<Knob> {
    let mut knobs = Vec::new();
    let text = |bytes: i64| match (bytes, version) {
        (-1, Version::V2) => "max".to_owned(),
        _ => bytes.to_string(),
    };
    let name = |v1, v2| if version == Version::V1 { v1 } else { v2 };
    if let Some(bytes) = memory.reservation_bytes {
        knobs.push(Knob::new(name("memory.soft_limit_in_bytes", "memory.low"), text(bytes)));
    }
    let Some(limit) = memory.limit_bytes else { return knobs };
    knobs.push(Knob::new(name("memory.limit_in_bytes", "memory.max"), text(limit)));
    let swap = match memory.with_swap_bytes {
        Some(-1) => -1,
        None if limit == -1 => -1,
        None => limit,
        Some(both) => both - limit,
    };
    let both = if swap == -1 { -1 } else { limit.saturating_add(swap) };
    knobs.push(match version {
        Version::V1 => Knob::new("memory.memsw.limit_in_bytes", both),
        Version::V2 => Knob::new("memory.swap.max", text(swap)),
    });
    knobs
}

/// See the solution. All names in one write: either all are handed down or none, so that no half of it is in the way.
pub fn enable(group: &Part, controllers: &[&str]) -> Result<()> {
    let list: String = controllers.iter().map(|name| format!(" +{name}")).collect();
    let give = || group.write("cgroup.subtree_control", list.trim_start());
    loop {
        let is_new = make_room(group)?;
        match give() {
            Err(error) if is_new && error.errno() == Some(Errno::EBUSY) => {}
            result => return result,
        }
    }
}

/// Whether somebody was there who could be told to go: a PID of 0 is nobody's.
fn make_room(group: &Part) -> Result<bool> {
    let processes = group.read("cgroup.procs")?;
    let processes: Vec<i32> = processes.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid > 0).collect();
    if processes.is_empty() || group.is_top() {
        return Ok(false);
    }
    let path = group.path().join(LEAF);
    std::fs::create_dir_all(&path).during("mkdir", path.display())?;
    let leaf = Cgroup::open(&[path])?;
    for process in processes {
        let moved = leaf.write("cgroup.procs", process);
        if moved.as_ref().is_err_and(|error| error.errno() != Some(Errno::ESRCH)) {
            moved?;
        }
    }
    Ok(true)
}

/// See the solution.
pub fn freeze(group: &Cgroup) -> Result<()> {
    let all = Cgroup::open(&group.part("freezer")?.tree()?)?;
    if all.processes()?.contains(&getpid()) {
        return Err(Errno::EDEADLK).during("freeze", "the caller's own group, or one above it");
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    let is_v1 = group.version("freezer")? == Version::V1;
    set(group, true)?;
    loop {
        let has_stopped = match is_v1 {
            true => group.read("freezer.state")? == "FROZEN\n" || group.read("freezer.state")? == "FROZEN",
            false => group.part("freezer")?.read("cgroup.events")?.lines().any(|line| line == "frozen 1"),
        };
        match has_stopped {
            true => return Ok(()),
            false if Instant::now() > deadline => break,
            false => yield_now(),
        }
    }
    set(group, false)?;
    Err(Errno::EBUSY).during("freeze", "the group")
}

/// See the solution.
pub fn thaw(group: &Cgroup) -> Result<()> {
    set(group, false)
}

fn set(group: &Cgroup, stop: bool) -> Result<()> {
    match group.version("freezer")? {
        Version::V1 => group.write("freezer.state", if stop { "FROZEN" } else { "THAWED" }),
        Version::V2 => group.part("freezer")?.write("cgroup.freeze", u8::from(stop)),
    }
}

/// See the solution.
pub fn usage(group: &Cgroup) -> Result<Usage> {
    let number = |knob: &str| -> Result<u64> {
        let text = group.read(knob)?;
        text.trim().parse().map_err(|error| Error::invalid("a knob of the kernel's", format!("{text:?}: {error}"), "a number"))
    };
    let mut usage = Usage { pids: number("pids.current")?, ..Usage::default() };
    match group.version("memory")? {
        Version::V1 => {
            usage.cpu_us = number("cpuacct.usage")? / 1000;
            usage.memory_bytes = number("memory.usage_in_bytes")?;
            usage.memory_peak_bytes = number("memory.max_usage_in_bytes")?;
        }
        Version::V2 => {
            let stat = group.part("pids")?.read("cpu.stat")?;
            usage.cpu_us = line(&stat, "usage_usec ");
            usage.memory_bytes = number("memory.current")?;
            if group.part("memory")?.has("memory.peak") {
                usage.memory_peak_bytes = number("memory.peak")?;
            }
        }
    }
    Ok(usage)
}

/// See the solution.
pub fn oom_kills(group: &Cgroup) -> Result<u64> {
    let knob = if group.version("memory")? == Version::V2 { "memory.events" } else { "memory.oom_control" };
    group.read(knob).map(|text| line(&text, "oom_kill "))
}

fn line(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, |number| number.trim().parse().unwrap_or(0))
}

/// See the solution.
pub fn enter(group: &Cgroup) -> Result<()> {
    for part in group.parts() {
        part.write("cgroup.procs", getpid())?;
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "a cgroup namespace")
}
