//! Lab 08: how much memory, how many processes; stop, go on, look, and see nothing of the tree above.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]

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
    todo!("lab 08, task 1: v1 has memory.limit_in_bytes, memory.memsw.limit_in_bytes, memory.soft_limit_in_bytes; v2 memory.max, memory.swap.max, memory.low")
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
    todo!("lab 08, task 2: unless group.is_top(), make the LEAF and move into it whoever is in cgroup.procs; then write \"+NAME\" to cgroup.subtree_control")
}

/// Stops every process of `group`, and returns when they have stopped. They notice nothing, and no signal but
/// SIGKILL can do anything to them, on v1 not even that.
/// Source: kernel docs cgroup-v1/freezer-subsystem and cgroup-v2, `cgroup.freeze`.
///
/// # Errors
/// [`Error::Invalid`] when the caller itself is in the group or below it: nobody would be left to thaw it. EBUSY when
/// they have not stopped within two seconds; they go on then.
pub fn freeze(group: &Cgroup) -> Result<()> {
    todo!("lab 08, task 3: not if Pid::this() is in cgroup.procs anywhere in the tree() of group.part(\"freezer\"); v1: write FROZEN to freezer.state, and wait until it reads so; v2: 1 to cgroup.freeze, and \"frozen 1\" in cgroup.events")
}

/// Lets a frozen group go on. One that is not frozen stays as it is.
///
/// # Errors
/// What [`Cgroup::write`] says.
pub fn thaw(group: &Cgroup) -> Result<()> {
    todo!("lab 08, task 4: v1: THAWED to freezer.state; v2: 0 to cgroup.freeze")
}

/// What `group` uses. Source: kernel docs cgroup-v1/cpuacct and memory, pids; cgroup-v2.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn usage(group: &Cgroup) -> Result<Usage> {
    todo!("lab 08, task 5: v1: cpuacct.usage (ns), memory.usage_in_bytes, memory.max_usage_in_bytes; v2: cpu.stat (usage_usec), memory.current, memory.peak (from 5.19); both: pids.current")
}

/// How many processes of `group` the kernel has killed because its memory was used up. Given what memory.oom_control
/// and memory.events tell. Source: kernel docs cgroup-v1/memory, "OOM Control", and cgroup-v2, `memory.events`.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn oom_kills(group: &Cgroup) -> Result<u64> {
    todo!("lab 08, task 6: v1: the field oom_kill of memory.oom_control; v2: of memory.events")
}

/// Moves the calling process into `group`, and lets it see the group as the top of the tree.
///
/// A cgroup namespace begins where its first process is when it is made. Source: cgroup_namespaces(7).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; otherwise what [`Part::write`] says.
pub fn enter(group: &Cgroup) -> Result<()> {
    todo!("lab 08, task 7: write 0 (the writer) to cgroup.procs of each of group.parts(); then unshare(2) with CLONE_NEWCGROUP")
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
