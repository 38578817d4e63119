//! A first process that is born in its group of cgroup v2.
//!
//! Who moves into a group there waits until no processor is in a critical section of before, 4 to 20 ms when nobody has moved for a
//! while. (On v1 `tasks`, which moves a single thread, waits for nobody.) Who is born there does not move.
//! Source: clone(2), "CLONE_INTO_CGROUP".

#![allow(unsafe_code, reason = "clone3 has no safe wrapper")]

use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use model::Cgroup;
use model::cgroup::Version;
use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid};

/// As <linux/sched.h> has it, too large for the integer of the crate libc's.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// As fork(2), into the part of `group` that is v2's; as PID 1 of a new PID namespace, if `new_pid`. `None` where that cannot be:
/// without such a part, on Linux before 5.7, or where the caller may not. Then the child has to be moved, which says what is wrong.
///
/// To be called by a process with one thread.
pub fn start(group: &Cgroup, new_pid: bool) -> Option<ForkResult> {
    let part = group.parts().iter().find(|part| part.version() == Version::V2)?;
    // SAFETY: the structure is numbers alone, for which 0 is a value.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP | if new_pid { libc::CLONE_NEWPID as u64 } else { 0 };
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = part.as_fd().as_raw_fd() as u64;
    // SAFETY: the kernel reads the structure, of this size. Without a stack of its own the child goes on here, as after fork(2); the
    // caller has one thread, so that no lock can be held by a thread that the child lacks.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, mem::size_of_val(&args)) };
    Some(match Errno::result(pid).ok()? {
        0 => ForkResult::Child,
        pid => ForkResult::Parent { child: Pid::from_raw(pid as i32) },
    })
}
