//! Lab 07: how much processor time.
//!
//! A cgroup is a directory that the kernel fills with files, its knobs. Whoever writes a number to a knob limits
//! every process of the group, and whoever writes a process's PID to one of them moves it in.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]

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
    todo!("lab 07, task 1: 2 becomes 1, 262144 becomes 10000, and a straight line goes from one to the other")
}

/// The knobs that `cpu` comes to, in the order in which they are to be written to a new group. What `cpu`
/// leaves open has no knob. Source: kernel docs cgroup-v1 and cgroup-v2, "CPU"; sched-bwc.
#[must_use]
pub fn knobs(cpu: &Cpu, version: Version) -> Vec<Knob> {
    todo!("lab 07, task 2: v1 has cpu.shares, cpu.cfs_period_us, cpu.cfs_quota_us (-1: no limit); v2 cpu.weight, cpu.max (\"QUOTA PERIOD\", max: no limit)")
}

/// Makes the group `name` below `parent`, in every hierarchy, ready to be joined.
///
/// A new cpuset group of v1 has no processor and no memory node, and takes nobody in until it has: it gets those
/// of `parent`. Source: cgroups(7), "Creating cgroups"; cpuset(7), "EXTENDED CAPABILITIES" and ERRORS.
///
/// # Errors
/// EEXIST when there is one already, which stays as it is. Whatever the error, none is left half-made.
pub fn create(parent: &Cgroup, name: &str) -> Result<Cgroup> {
    todo!("lab 07, task 3: mkdirat(2) in each of parent.parts(); fill v1's cpuset.cpus and cpuset.mems; take back what is made when one fails")
}

/// Moves `process`, with all its threads, into `group`, in every hierarchy. Children that it has later start there.
///
/// `process` is the PID that the caller knows it by; 0 is the caller itself. Source: cgroups(7), "Moving processes".
///
/// # Errors
/// ESRCH without such a process; ENOSPC for a cpuset without processors; EBUSY on v2, when the group hands
/// controllers to groups below it; EACCES for a process or a group that is not one's own.
pub fn join(group: &Cgroup, process: Pid) -> Result<()> {
    todo!("lab 07, task 4: write the PID to cgroup.procs of each of group.parts()")
}

/// Sets `cpu`'s knobs in `group`.
///
/// # Errors
/// [`Error::Invalid`] when a group above allows less than `cpu`'s quota: v1's kernel refuses that itself (EINVAL), v2's
/// takes it and gives less. Otherwise what [`Cgroup::write`] says.
pub fn limit(group: &Cgroup, cpu: &Cpu) -> Result<()> {
    todo!("lab 07, task 5: refuse what the cpu.max of a v2 group above does not give, then write the knobs of the cpu and the cpuset controller")
}

/// How often the group had to wait for its next period. Source: kernel docs sched-bwc and cgroup-v2, `cpu.stat`.
///
/// # Errors
/// What [`Cgroup::read`] says.
pub fn throttling(group: &Cgroup) -> Result<Throttling> {
    todo!("lab 07, task 6: cpu.stat has nr_periods, nr_throttled, and throttled_time (v1, ns) or throttled_usec (v2, µs)")
}

/// Ends what runs in `group` and below, and removes it, in every hierarchy. One that is gone already is as good.
///
/// # Errors
/// EBUSY when a process in it does not end within seconds.
pub fn remove(group: &Cgroup) -> Result<()> {
    todo!("lab 07, task 7: Cgroup::kill, then rmdir(2) for each path of each part's tree(); EBUSY: somebody is still dying, wait and try again")
}
