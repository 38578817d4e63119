//! Lab 08 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use model::cgroup::{Knob, LEAF, Part, Usage, Version};
use model::plan::Memory;
use model::{Cgroup, During, Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::Pid;

/// The knobs that `memory` comes to, in the order in which they are to be written to a new group. What `memory`
/// leaves open has no knob.
///
/// v1 counts memory and swap together, v2 swap alone. -1 stands for no limit; where nothing is said of swap, it
/// may be as much as the memory, as Docker has it. Source: kernel docs cgroup-v1/memory and cgroup-v2, "Memory".
#[must_use]
pub fn knobs(memory: &Memory, version: Version) -> Vec<Knob> {
    let Memory { limit_bytes, with_swap_bytes, reservation_bytes } = *memory;
    // Of swap nothing was said: as much again. No limit twice is still no limit.
    let both = with_swap_bytes.or(limit_bytes.map(|limit| if limit < 0 { -1 } else { limit.saturating_mul(2) }));
    let [limit, swap, left] = match version {
        Version::V1 => [
            limit_bytes.map(|limit| Knob::new("memory.limit_in_bytes", limit.max(-1))),
            // After the memory: the sum may never be the smaller one.
            both.map(|both| Knob::new("memory.memsw.limit_in_bytes", both.max(-1))),
            reservation_bytes.map(|left| Knob::new("memory.soft_limit_in_bytes", left.max(-1))),
        ],
        Version::V2 => {
            let or_max = |bytes: i64| if bytes < 0 { "max".to_owned() } else { bytes.to_string() };
            let alone = |both: i64| if both < 0 { -1 } else { (both - limit_bytes.unwrap_or(0).max(0)).max(0) };
            [
                limit_bytes.map(|limit| Knob::new("memory.max", or_max(limit))),
                both.map(|both| Knob::new("memory.swap.max", or_max(alone(both)))),
                reservation_bytes.map(|left| Knob::new("memory.low", or_max(left))),
            ]
        }
    };
    [limit, swap, left].into_iter().flatten().collect()
}

/// Lets the groups below `group`, of v2, have `controllers`.
///
/// A v2 group has either processes or groups below it with controllers; the top of the tree alone has both. So
/// the processes of `group` are moved into a group [`LEAF`] below it first.
/// Source: kernel doc cgroup-v2, "No Internal Process Constraint" and "Enabling and Disabling".
///
/// # Errors
/// ENOENT for a controller that `group` does not have itself; EACCES for a group that is not one's own.
pub fn enable(group: &Part, controllers: &[&str]) -> Result<()> {
    // A container sees its own group as the top, but the kernel does not: only the real top has no type.
    let is_top = group.parent()?.is_none() && !group.has("cgroup.type");
    if !is_top {
        move_to_leaf(group)?;
    }
    let words: Vec<_> = controllers.iter().map(|name| format!("+{name}")).collect();
    group.write("cgroup.subtree_control", words.join(" "))
}

/// Empties `group`, though somebody in it may be forking.
fn move_to_leaf(group: &Part) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut processes = group.read("cgroup.procs")?;
    if processes.trim().is_empty() {
        return Ok(());
    }
    let path = group.path().join(LEAF);
    match mkdirat(group, LEAF, Mode::from_bits_retain(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        refused => refused.during("mkdir", path.display())?,
    }
    let leaf = Cgroup::open(&[path])?;
    while !processes.trim().is_empty() && Instant::now() < deadline {
        // 0 is somebody whom this PID namespace does not know. Written, it would mean the writer.
        for pid in processes.lines().filter(|pid| *pid != "0") {
            match leaf.write("cgroup.procs", pid) {
                Err(error) if error.errno() == Some(Errno::ESRCH) => {}
                result => result?,
            }
        }
        processes = group.read("cgroup.procs")?;
    }
    Ok(())
}

/// Stops every process of `group`, and returns when they have stopped. They notice nothing, and no signal but
/// SIGKILL can do anything to them, on v1 not even that.
/// Source: kernel docs cgroup-v1/freezer-subsystem and cgroup-v2, `cgroup.freeze`.
///
/// # Errors
/// [`Error::Invalid`] when the caller itself is in the group: nobody would be left to thaw it. EBUSY when they have not
/// stopped within two seconds; they go on then.
pub fn freeze(group: &Cgroup) -> Result<()> {
    let own = Pid::this().to_string();
    for path in group.parts().iter().map(Part::tree).collect::<Result<Vec<_>>>()?.concat() {
        let list = path.join("cgroup.procs");
        let processes = fs::read_to_string(&list).during("read", list.display())?;
        if processes.lines().any(|pid| pid == own) {
            return Err(Error::invalid("group to freeze", path.display().to_string(), "one without the caller in it"));
        }
    }
    let version = group.version("freezer")?;
    match version {
        Version::V1 => group.write("freezer.state", "FROZEN")?,
        Version::V2 => group.write("cgroup.freeze", 1)?,
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let is_frozen = match version {
            Version::V1 => group.read("freezer.state")?.trim() == "FROZEN",
            Version::V2 => field(&group.read("cgroup.events")?, "frozen") == 1,
        };
        if is_frozen {
            return Ok(());
        }
        if Instant::now() > deadline {
            thaw(group)?;
            return Err(Errno::EBUSY).during("freeze", "a process that does not stop");
        }
        sleep(Duration::from_millis(1));
    }
}

/// Lets a frozen group go on. One that is not frozen stays as it is.
///
/// # Errors
/// What [`Cgroup::write`] says.
pub fn thaw(group: &Cgroup) -> Result<()> {
    match group.version("freezer")? {
        Version::V1 => group.write("freezer.state", "THAWED"),
        Version::V2 => group.write("cgroup.freeze", 0),
    }
}

/// What `group` uses. Source: kernel docs cgroup-v1/cpuacct and memory, pids; cgroup-v2.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn usage(group: &Cgroup) -> Result<Usage> {
    let number = |knob: &str| -> Result<u64> {
        let text = group.read(knob)?;
        text.trim().parse().or(Err(Error::invalid("knob", format!("{knob} {}", text.trim()), "a number")))
    };
    // Whoever counts: v1's controller, or any group of v2, the controller handed down or not.
    let v2 = group.parts().iter().find(|part| part.version() == Version::V2);
    let cpu_us = match (group.part("cpuacct"), v2) {
        (Err(_), Some(part)) => field(&part.read("cpu.stat")?, "usage_usec"),
        _ => number("cpuacct.usage")? / 1000,
    };
    let (now, most) = match group.version("memory")? {
        Version::V1 => ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
        Version::V2 => ("memory.current", "memory.peak"),
    };
    Ok(Usage {
        cpu_us,
        memory_bytes: number(now)?,
        memory_peak_bytes: number(most).or_else(no_such_knob)?,
        pids: number("pids.current")?,
    })
}

/// How many processes of `group` the kernel has killed because its memory was used up. Given what memory.oom_control
/// and memory.events tell. Source: kernel docs cgroup-v1/memory, "OOM Control", and cgroup-v2, `memory.events`.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn oom_kills(group: &Cgroup) -> Result<u64> {
    let knob = match group.version("memory")? {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    Ok(field(&group.read(knob)?, "oom_kill"))
}

/// Moves the calling process into `group`, and lets it see the group as the top of the tree.
///
/// A cgroup namespace begins where its first process is when it is made. Source: cgroup_namespaces(7).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; otherwise what [`Part::write`] says.
pub fn enter(group: &Cgroup) -> Result<()> {
    group.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))?;
    unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")
}

/// The number after `name` in a text of lines `name number`; 0 when there is no such line. Given.
fn field(text: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

/// 0 for a knob that this kernel is too old for. Given.
fn no_such_knob(error: Error) -> Result<u64> {
    if matches!(error, Error::NoKnob { .. }) { Ok(0) } else { Err(error) }
}
