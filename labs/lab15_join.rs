//! Lab 15: one process more in a container that runs already.
//!
//! A container is no thing that could be entered. It is namespaces, a cgroup, a root and what its processes may not do, and
//! whoever comes later has to take up each of them, in an order in which every step still has the right to the next one.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "pidfd_open, close_range, capget and fork have no safe wrapper")]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::cgroup::hierarchies;
use model::{Cgroup, During, Error, NsKind, Powers, Process, Result, started_ticks};
use nix::errno::Errno;
use nix::sched::setns;
use nix::sys::prctl;
use nix::unistd::{ForkResult, Pid, chdir, chroot, fchdir, fork, getcwd};

/// Opens the process with the number `pid` that started `noted_ticks` clock ticks after the machine: another one that has
/// got its number since is not meant.
///
/// Source: pidfd_open(2) (Linux 5.3); proc_pid_stat(5), `starttime`.
///
/// # Errors
/// [`Error::NoSuchProcess`] when it has ended and was reaped, whoever has its number by now. Until then it has its number, and may
/// be opened.
pub fn open(pid: Pid, noted_ticks: u64) -> Result<Process> {
    todo!("lab 15, task 1: the process with this number, held by pidfd_open(2), if started_ticks(pid) says what was noted; else Error::NoSuchProcess")
}

/// The kinds of namespaces in which `process` lives and the caller does not.
///
/// Those of its children to be are not its own. A kind that the kernel does not have is none. Source: namespaces(7), "The
/// /proc/pid/ns/ directory".
///
/// # Errors
/// [`Error::NoSuchProcess`] when it has ended; EACCES for a process that is not the caller's to look at.
pub fn differing(process: &Process) -> Result<Vec<NsKind>> {
    todo!("lab 15, task 2: for every kind but the two \"for children\": are the inodes of /proc/PID/ns/KIND and /proc/self/ns/KIND different? In the end, process.lives()")
}

/// Moves the caller into each of `namespaces`, all or, on an error, some of them. A descriptor is of the namespace itself or of a
/// process in it. Into a PID namespace only the caller's next children are moved.
///
/// To enter a namespace takes CAP_SYS_ADMIN twice: in the caller's own user namespace, and in the one that the namespace belongs
/// to. Who is root outside has both, as long as they stay outside. Who is not, gets both in the user namespace that is joined.
/// Source: setns(2).
///
/// # Errors
/// EPERM without the right; EINVAL for the user namespace that the caller is in, and for a caller with more than one thread.
pub fn enter(namespaces: &[(NsKind, BorrowedFd<'_>)]) -> Result<()> {
    todo!("lab 15, task 3: setns(2) with kind.clone_flag() into each of them, in an order in which root can join them all, and an ordinary user too")
}

/// Moves the caller into the cgroup of `process`, in every hierarchy that is mounted and in which that is another one than its own.
///
/// To be called before [`enter`]: the directories are the host's. Source: cgroups(7).
///
/// # Errors
/// EACCES for a group that the caller may not write to; [`Error::NoSuchProcess`] when the process has ended.
pub fn enter_group(process: &Process) -> Result<()> {
    todo!("lab 15, task 4: hierarchies() of /proc/PID/cgroup and of /proc/self/cgroup, both with /proc/self/mountinfo; where `own` differs, write 0 to its cgroup.procs (Cgroup::open, Part::write)")
}

/// Forks. The child is in the PID namespace that [`enter`] has prepared; neither process has a descriptor left but the standard
/// three and `keep`, and neither can be looked into by those who are in there.
///
/// To be called as the last thing outside: by its number in /proc, a container's root could reach whatever it has open
/// (CVE-2024-21626) and its program (CVE-2019-5736). Source: proc_pid_fd(5), PR_SET_DUMPABLE(2const), close_range(2).
///
/// # Errors
/// ENOMEM when the first process of the PID namespace has ended.
pub fn fork_inside(keep: &[BorrowedFd<'_>]) -> Result<ForkResult> {
    todo!("lab 15, task 5: fork(2), and before it prctl::set_dumpable, and close_range(2) for all but the standard three and keep")
}

/// Makes the directory `root` the caller's root, and `cwd`, a path below it, its working directory.
///
/// A mount namespace that is joined gives a root: the one of the namespace, which a process in there may have left for another.
/// Source: setns(2), chroot(2), getcwd(2).
///
/// # Errors
/// ENOENT when `cwd` is not there, or leads out: a path such as `/proc/self/fd/7` can (CVE-2024-21626).
pub fn enter_root(root: BorrowedFd<'_>, cwd: &Path) -> Result<()> {
    todo!("lab 15, task 6: fchdir(2), chroot(2) and chdir(2); and an error for a directory that is not below the root, by whichever path")
}

/// Takes from the caller, and all programs that it will start, what a process with `powers` cannot come to be able to do. Until
/// its exec the caller keeps what it has.
///
/// Root's programs get what is in the bounding set or in the inheritable one: so it takes both. To be called after [`enter`]: a
/// user namespace that is joined gives all back. Source: capabilities(7), "Capabilities and execution of programs by root".
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn lower(powers: &Powers) -> Result<()> {
    todo!("lab 15, task 7: prctl(2) PR_CAPBSET_DROP for all that are not in powers.bounding; set_inheritable, given below; no_new_privs if it has it")
}

/// Gives the calling thread the inheritable set `set`, and leaves it the others. Given. Source: capget(2).
fn set_inheritable(set: u64) -> Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = (VERSION_3, 0i32); // 0 is the caller
    let mut data = [[0u32; 3]; 2]; // effective, permitted, inheritable; the lower halves, then the upper
    // SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive both calls.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr())).during("capget", "the caller")?;
        (data[0][2], data[1][2]) = (set as u32, (set >> 32) as u32);
        Errno::result(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr())).map(drop).during("capset", "inheritable")
    }
}
