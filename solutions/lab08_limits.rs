//! Lab 08: how much memory, how many processes; stop, go on, look, and see nothing of the tree above.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

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
    // task 1: v1 has memory.limit_in_bytes, memory.memsw.limit_in_bytes, memory.soft_limit_in_bytes; v2 memory.max, memory.swap.max, memory.low
    // nothing: Vec::new()
    let limit = memory.limit_bytes;
    let with_swap = memory.with_swap_bytes.or(limit.map(|bytes| bytes.saturating_mul(2).max(-1)));
    let mut knobs = Vec::new();
    match version {
        Version::V1 => {
            // Memory first: together with swap it is never less than alone, and so says the kernel.
            knobs.extend(limit.map(|bytes| Knob::new("memory.limit_in_bytes", bytes)));
            knobs.extend(with_swap.map(|bytes| Knob::new("memory.memsw.limit_in_bytes", bytes)));
            knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.soft_limit_in_bytes", bytes)));
        }
        Version::V2 => {
            let max = |bytes: i64| if bytes < 0 { "max".to_owned() } else { bytes.to_string() };
            knobs.extend(limit.map(|bytes| Knob::new("memory.max", max(bytes))));
            let swap = with_swap.map(|bytes| if bytes < 0 { -1 } else { bytes - limit.unwrap_or(0).max(0) });
            knobs.extend(swap.map(|bytes| Knob::new("memory.swap.max", max(bytes))));
            knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.low", max(bytes))));
        }
    }
    knobs
    // end task
}

/// Lets the groups below `group`, of v2, have `controllers`.
///
/// A v2 group has either processes or groups below it with controllers; the top of the tree alone has both. So
/// the processes of `group` are moved into a group [`LEAF`] below it first.
/// Source: kernel doc cgroup-v2, "No Internal Process Constraint" and "Enabling and Disabling".
///
/// # Errors
/// ENOENT for a controller that `group` does not have itself; EACCES for a group that is not one's own; EBUSY when
/// somebody stays whom the caller cannot name: a process of another PID namespace, 0 in `cgroup.procs`.
pub fn enable(group: &Part, controllers: &[&str]) -> Result<()> {
    // task 2: unless group.is_top(), make the LEAF and move into it whoever is in cgroup.procs; then write "+NAME" to cgroup.subtree_control
    if !group.is_top() && !group.read("cgroup.procs")?.is_empty() {
        match mkdirat(group, LEAF, Mode::from_bits_retain(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno).during("mkdir", group.path().join(LEAF).display()),
        }
        let leaf = Cgroup::open(&[group.path().join(LEAF)])?;
        // Again and again: one that was read may have forked before it was moved.
        loop {
            let processes = group.read("cgroup.procs")?;
            // 0 is one of a PID namespace that we do not see. Written, it would be the writer.
            let named: Vec<&str> = processes.lines().filter(|process| *process != "0").collect();
            if named.is_empty() {
                break;
            }
            for process in named {
                match leaf.parts()[0].write("cgroup.procs", process) {
                    Err(error) if error.errno() != Some(Errno::ESRCH) => return Err(error),
                    _ => {} // moved, or gone on its own
                }
            }
        }
    }
    let names: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    group.write("cgroup.subtree_control", names.join(" "))
    // end task
}

/// Stops every process of `group`, and returns when they have stopped. They notice nothing, and no signal but
/// SIGKILL can do anything to them, on v1 not even that.
/// Source: kernel docs cgroup-v1/freezer-subsystem and cgroup-v2, `cgroup.freeze`.
///
/// # Errors
/// [`Error::Invalid`] when the caller itself is in the group or below it: nobody would be left to thaw it. EBUSY when
/// they have not stopped within two seconds; they go on then.
pub fn freeze(group: &Cgroup) -> Result<()> {
    // task 3: not if Pid::this() is in cgroup.procs anywhere in the tree() of group.part("freezer"); v1: write FROZEN to freezer.state, and wait until it reads so; v2: 1 to cgroup.freeze, and "frozen 1" in cgroup.events
    let freezer = group.part("freezer")?;
    let own = Pid::this().to_string();
    // What is below is stopped too. A group that has been removed meanwhile holds nobody.
    let processes = |path: PathBuf| fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    if freezer.tree()?.into_iter().map(processes).any(|processes| processes.lines().any(|pid| pid == own)) {
        return Err(Error::invalid("the group to freeze", own, "one that the caller is neither in nor below"));
    }
    for _ in 0..400 {
        let is_frozen = match freezer.version() {
            Version::V1 => {
                // Again each time: a process that was just being forked is caught by the next write.
                freezer.write("freezer.state", "FROZEN")?;
                freezer.read("freezer.state")?.trim() == "FROZEN"
            }
            Version::V2 => {
                freezer.write("cgroup.freeze", 1)?;
                freezer.read("cgroup.events")?.contains("frozen 1")
            }
        };
        if is_frozen {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    thaw(group)?;
    Err(Errno::EBUSY).during("freeze", freezer.path().display())
    // end task
}

/// Lets a frozen group go on. One that is not frozen stays as it is.
///
/// # Errors
/// What [`Cgroup::write`] says.
pub fn thaw(group: &Cgroup) -> Result<()> {
    // task 4: v1: THAWED to freezer.state; v2: 0 to cgroup.freeze
    let freezer = group.part("freezer")?;
    match freezer.version() {
        Version::V1 => freezer.write("freezer.state", "THAWED"),
        Version::V2 => freezer.write("cgroup.freeze", 0),
    }
    // end task
}

/// What `group` uses. Source: kernel docs cgroup-v1/cpuacct and memory, pids; cgroup-v2.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn usage(group: &Cgroup) -> Result<Usage> {
    // task 5: v1: cpuacct.usage (ns), memory.usage_in_bytes, memory.max_usage_in_bytes; v2: cpu.stat (usage_usec), memory.current, memory.peak (from 5.19); both: pids.current
    let number = |knob: &str| Ok(group.read(knob)?.trim().parse().unwrap_or(0));
    let memory = group.part("memory")?;
    let (cpu_us, memory_bytes, memory_peak_bytes) = match memory.version() {
        Version::V1 => {
            (number("cpuacct.usage")? / 1000, number("memory.usage_in_bytes")?, number("memory.max_usage_in_bytes")?)
        }
        Version::V2 => {
            // Every group of v2 has cpu.stat, with the controller cpu or without.
            let cpu_us = field(&memory.read("cpu.stat")?, "usage_usec");
            (cpu_us, number("memory.current")?, number("memory.peak").or_else(no_such_knob)?)
        }
    };
    Ok(Usage { cpu_us, memory_bytes, memory_peak_bytes, pids: number("pids.current")? })
    // end task
}

/// How many processes of `group` the kernel has killed because its memory was used up. Given what memory.oom_control
/// and memory.events tell. Source: kernel docs cgroup-v1/memory, "OOM Control", and cgroup-v2, `memory.events`.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn oom_kills(group: &Cgroup) -> Result<u64> {
    // task 6: v1: the field oom_kill of memory.oom_control; v2: of memory.events
    let text = match group.version("memory")? {
        Version::V1 => group.read("memory.oom_control")?,
        Version::V2 => group.read("memory.events")?,
    };
    Ok(field(&text, "oom_kill"))
    // end task
}

/// Moves the calling process into `group`, and lets it see the group as the top of the tree.
///
/// A cgroup namespace begins where its first process is when it is made. Source: cgroup_namespaces(7).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; otherwise what [`Part::write`] says.
pub fn enter(group: &Cgroup) -> Result<()> {
    // task 7: write 0 (the writer) to cgroup.procs of each of group.parts(); then unshare(2) with CLONE_NEWCGROUP
    for part in group.parts() {
        // v1 moves a single thread by `tasks`, which is the whole of a process that has no other, and spares the
        // kernel a wait for the rest of the machine: up to 20 ms.
        part.write(if part.version() == Version::V1 { "tasks" } else { "cgroup.procs" }, 0)?;
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")
    // end task
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
