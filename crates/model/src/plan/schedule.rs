//! When the command's turn comes, on which processors, and whose memory it gets: understood and checked.

use oci_spec::runtime::{
    IOPriorityClass, LinuxMemoryPolicy, LinuxSchedulerFlag, LinuxSchedulerPolicy, MemoryPolicyFlagType,
    MemoryPolicyModeType, Process, Scheduler,
};

use super::resources::numbers;
use crate::error::{Error, Result};

/// What sched_setattr(2) is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// `SCHED_…`.
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// For SCHED_OTHER and SCHED_BATCH, -20 to 19.
    pub nice: i32,
    /// For SCHED_FIFO and SCHED_RR, 1 to 99; otherwise 0.
    pub priority: u32,
    /// For SCHED_DEADLINE, in ns.
    pub runtime_ns: u64,
    /// For SCHED_DEADLINE, in ns.
    pub deadline_ns: u64,
    /// For SCHED_DEADLINE, in ns.
    pub period_ns: u64,
}

/// What set_mempolicy(2) is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// `MPOL_…`, with its flags.
    pub mode: i32,
    /// The nodes, ascending.
    pub nodes: Vec<u32>,
}

/// The processors of a command that joins a container: while it joins, and from its start on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affinity {
    /// `None` for those of the caller.
    pub at_first: Option<Vec<u32>>,
    /// `None` for those of the container's cgroup.
    pub then: Option<Vec<u32>>,
}

/// `process.ioPriority` as ioprio_set(2) takes it: the class and, in it, 0 (first) to 7.
pub(super) fn io_priority(process: &Process) -> Result<Option<i32>> {
    let Some(given) = process.io_priority() else { return Ok(None) };
    let class = match given.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    match i32::try_from(given.priority()) {
        Ok(priority @ 0..=7) => Ok(Some(class << 13 | priority)),
        _ => Err(Error::invalid("process.ioPriority.priority", given.priority().to_string(), "0 to 7")),
    }
}

/// `process.scheduler`. Source: OCI runtime-spec, config, "Linux Process"; sched_setattr(2).
pub(super) fn turn(process: &Process) -> Result<Option<Turn>> {
    process.scheduler().as_ref().map(one_turn).transpose()
}

fn one_turn(given: &Scheduler) -> Result<Turn> {
    let policy = match given.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flag = |flag: &LinuxSchedulerFlag| match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    };
    let (nice, priority) = (given.nice().unwrap_or(0), given.priority().unwrap_or(0));
    let is_real_time = policy == 1 || policy == 2;
    if !(-20..=19).contains(&nice) {
        return Err(Error::invalid("process.scheduler.nice", nice.to_string(), "-20 to 19"));
    }
    if !(if is_real_time { 1..=99 } else { 0..=0 }).contains(&priority) {
        let right = "1 to 99 for SCHED_FIFO and SCHED_RR, 0 for the others";
        return Err(Error::invalid("process.scheduler.priority", priority.to_string(), right));
    }
    let times = [*given.runtime(), *given.deadline(), *given.period()];
    if policy != 6 && times.iter().flatten().any(|time| *time != 0) {
        let right = "used with SCHED_DEADLINE";
        return Err(Error::invalid("process.scheduler.runtime, deadline, period", format!("{times:?}"), right));
    }
    let [runtime_ns, deadline_ns, period_ns] = times.map(Option::unwrap_or_default);
    let flags = given.flags().iter().flatten().map(flag).fold(0, |all, flag| all | flag);
    Ok(Turn { policy, flags, nice, priority: priority.cast_unsigned(), runtime_ns, deadline_ns, period_ns })
}

/// `process.execCPUAffinity`.
pub(super) fn affinity(process: &Process) -> Result<Affinity> {
    let Some(given) = process.exec_cpu_affinity() else { return Ok(Affinity::default()) };
    let list = |what, list: &Option<String>| match list.as_deref().filter(|list| !list.is_empty()) {
        Some(list) => match numbers(list) {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(Error::invalid(what, list, "numbers and ranges such as 0-2,4")),
        },
        None => Ok(None),
    };
    Ok(Affinity {
        at_first: list("process.execCPUAffinity.initial", given.initial())?,
        then: list("process.execCPUAffinity.final", given.cpu_affinity_final())?,
    })
}

/// `linux.memoryPolicy`. Source: OCI runtime-spec 1.3, config-linux, "Memory Policy"; set_mempolicy(2).
pub(super) fn memory_policy(given: &LinuxMemoryPolicy) -> Result<MemoryPolicy> {
    let mode = match given.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flag = |flag: &MemoryPolicyFlagType| match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
    };
    let list = given.nodes().as_deref().unwrap_or_default();
    let nodes = if list.is_empty() { Some(Vec::new()) } else { numbers(list) };
    // The kernel has at most 1024.
    let nodes = nodes.filter(|nodes| nodes.iter().all(|node| *node < 1024));
    let nodes = nodes.ok_or_else(|| Error::invalid("linux.memoryPolicy.nodes", list, "numbers such as 0-2,4"))?;
    if nodes.is_empty() != [0, 4].contains(&mode) && mode != 1 {
        let right = "some for this mode, or none for MPOL_DEFAULT and MPOL_LOCAL";
        return Err(Error::invalid("linux.memoryPolicy.nodes", list, right));
    }
    Ok(MemoryPolicy { mode: given.flags().iter().flatten().map(flag).fold(mode, |all, flag| all | flag), nodes })
}
