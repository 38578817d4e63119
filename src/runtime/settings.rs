//! What the command finds set for itself: by the kernel, for its namespaces, and for the process that it will be.

#![allow(unsafe_code, reason = "several system calls have no safe wrapper")]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::BorrowedFd;

use model::caps::CapSet;
use model::plan::{MemoryPolicy, Rlimit, TimeOffset, Turn};
use model::{During, Plan, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, setns, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, geteuid};

use super::proc;

/// Enters a time namespace of the container's own, whose clocks are ahead by `offsets`.
///
/// CLONE_NEWTIME is for the children of the caller, and the offsets are to be written before anybody is in there. One who has a
/// single thread may follow. Source: time_namespaces(7).
pub fn enter_time(offsets: &[TimeOffset]) -> Result<()> {
    // nix has no name for it: the bit was a signal's before.
    unshare(CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)).during("unshare", "CLONE_NEWTIME")?;
    if !offsets.is_empty() {
        let line = |it: &TimeOffset| format!("{} {} {}\n", it.clock, it.secs, it.nanosecs);
        proc::write("self/timens_offsets", &offsets.iter().map(line).collect::<String>())?;
    }
    let path = "/proc/self/ns/time_for_children";
    let namespace = File::open(path).during("open", path)?;
    setns(namespace, CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)).during("setns", path)
}

/// Tells the kernel what goes for the container's namespaces, by the host's `/proc`, in which nobody inside has a hand. What it
/// says there depends on who writes, not on where it is mounted.
pub fn tell_the_kernel(plan: &Plan) -> Result<()> {
    for sysctl in &plan.sysctls {
        proc::write(&format!("sys/{}", sysctl.path), &sysctl.value)?;
    }
    let score = plan.oom_score_adj.map(|score| proc::write("self/oom_score_adj", &score.to_string()));
    score.unwrap_or(Ok(()))
}

/// Sets what a program that is started keeps, as long as there is the power to do so.
pub fn settle(plan: &Plan) -> Result<()> {
    if plan.new_keyring {
        enter_keyring(&plan.id)?;
    }
    if let Some(mask) = plan.umask {
        umask(Mode::from_bits_retain(mask));
    }
    if let Some(priority) = plan.io_priority {
        let (process, own) = (1, 0);
        // SAFETY: ioprio_set takes three integers.
        let status = unsafe { libc::syscall(libc::SYS_ioprio_set, process, own, priority) };
        Errno::result(status).during("ioprio_set", format_args!("class {} data {}", priority >> 13, priority & 7))?;
    }
    if let Some(turn) = &plan.turn {
        schedule(turn)?;
    }
    if let Some(policy) = &plan.memory_policy {
        place_memory(policy)?;
    }
    if let Some(domain) = plan.personality {
        // SAFETY: personality takes an integer.
        Errno::result(unsafe { libc::personality(domain) }).during("personality", domain)?;
    }
    limit(Pid::from_raw(0), &plan.rlimits)
}

/// Sets the limits of the first process where that has no right to raise them: in a user namespace that root has made.
pub fn limit_from_outside(plan: &Plan, process: Pid) -> Result<()> {
    if plan.ids.is_some() && geteuid().is_root() { limit(process, &plan.rlimits) } else { Ok(()) }
}

/// Sets the limits of a process, 0 for the caller. Source: prlimit(2).
pub fn limit(process: Pid, limits: &[Rlimit]) -> Result<()> {
    for Rlimit { resource, name, soft, hard } in limits {
        let limit = libc::rlimit64 { rlim_cur: *soft, rlim_max: *hard };
        // SAFETY: a struct that outlives the call, and no place for the old limit.
        let status =
            unsafe { libc::prlimit64(process.as_raw(), *resource as _, &raw const limit, std::ptr::null_mut()) };
        Errno::result(status).during("prlimit", format_args!("{name} to soft {soft} and hard {hard}"))?;
    }
    Ok(())
}

/// What sched_setattr(2) reads, SCHED_ATTR_SIZE_VER0.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

fn schedule(turn: &Turn) -> Result<()> {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: turn.policy,
        flags: turn.flags,
        nice: turn.nice,
        priority: turn.priority,
        runtime: turn.runtime_ns,
        deadline: turn.deadline_ns,
        period: turn.period_ns,
    };
    // SAFETY: a struct that says its own size and outlives the call.
    let status = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    Errno::result(status).map(drop).during("sched_setattr", format_args!("{turn:?}"))
}

/// Source: set_mempolicy(2).
fn place_memory(policy: &MemoryPolicy) -> Result<()> {
    const BITS: usize = libc::c_ulong::BITS as usize;
    let mut mask = [0 as libc::c_ulong; 1024 / BITS];
    for node in &policy.nodes {
        mask[*node as usize / BITS] |= 1 << (*node as usize % BITS);
    }
    // As the kernel counts them, one more than there are.
    let (nodes, count) = if policy.nodes.is_empty() { (std::ptr::null(), 0) } else { (mask.as_ptr(), 1025) };
    // SAFETY: a mask of 1024 bits, or none, which outlives the call.
    let status = unsafe { libc::syscall(libc::SYS_set_mempolicy, policy.mode, nodes, count) };
    Errno::result(status).map(drop).during("set_mempolicy", format_args!("{policy:?}"))
}

/// Lets the caller run on these processors alone.
pub fn run_on(processors: &[u32]) -> Result<()> {
    let mut set = CpuSet::new();
    for processor in processors {
        set.set(*processor as usize).during("sched_setaffinity", processor)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).during("sched_setaffinity", format_args!("{processors:?}"))
}

/// Makes sure that the descriptors from 3 on that the command is to get are open, and keeps them from any other program.
///
/// To be called before anything is opened: what is open later is the runtime's own. Source: fcntl(2), "File descriptor flags".
pub fn claim_fds(count: u32) -> Result<()> {
    mark_fds(count, libc::FD_CLOEXEC)
}

/// In the process to be: lets the command have them.
pub fn keep_fds(plan: &Plan) -> Result<()> {
    mark_fds(plan.kept_fds, 0)
}

fn mark_fds(count: u32, flags: i32) -> Result<()> {
    (3..3 + count).try_for_each(|fd| {
        // SAFETY: the call takes three integers, and closes nothing.
        let status = unsafe { libc::fcntl(fd.cast_signed(), libc::F_SETFD, flags) };
        Errno::result(status).map(drop).during("fcntl", format_args!("descriptor {fd} (--preserve-fds {count})"))
    })
}

/// The descriptors that the command is to get.
pub fn kept_fds(plan: &Plan) -> impl Iterator<Item = BorrowedFd<'_>> {
    // SAFETY: `claim_fds` found them open, and they belong to nobody here who could close them.
    (3..3 + plan.kept_fds).map(|fd| unsafe { BorrowedFd::borrow_raw(fd.cast_signed()) })
}

/// Joins the session keyring of the container, which is made when it is missing: the caller's, and the keys that it leads to, stay
/// outside. Source: keyctl(2), session-keyring(7).
pub fn enter_keyring(id: &str) -> Result<()> {
    /// All for whoever possesses it; the user, in any process of the container, may view, read and search it, and link to it.
    const PERMISSIONS: u32 = 0x3f1b_0000;
    let name = CString::new(format!("_ses.{id}")).map_err(std::io::Error::from).during("name", "the keyring")?;
    // SAFETY: a C string that outlives the call.
    let ring = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    let ring = match Errno::result(ring) {
        // A kernel without keys.
        Err(Errno::ENOSYS) => return Ok(()),
        ring => ring.during("keyctl", "KEYCTL_JOIN_SESSION_KEYRING (--no-new-keyring does without)")?,
    };
    // SAFETY: three integers.
    let status = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_SETPERM, ring, PERMISSIONS) };
    Errno::result(status).map(drop).during("keyctl", "KEYCTL_SETPERM")
}

/// The capabilities that the caller has, and so can leave to a program. Source: capget(2).
pub fn permitted() -> Result<CapSet> {
    let header = (0x2008_0522u32, 0i32);
    let mut data = [[0u32; 3]; 2];
    // SAFETY: a header of two 32-bit numbers and, for this version, two times three to be written; all outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    Errno::result(status).during("capget", "the caller")?;
    Ok(CapSet(u64::from(data[0][1]) | u64::from(data[1][1]) << 32))
}
