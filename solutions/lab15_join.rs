//! Lab 15: one process more in a container that runs already.
//!
//! A container is no thing that could be entered. It is namespaces, a cgroup, a root and what its processes may not do, and
//! whoever comes later has to take up each of them, in an order in which every step still has the right to the next one.

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
    // task 1: the process with this number, held by pidfd_open(2), if started_ticks(pid) says what was noted; else Error::NoSuchProcess
    // nothing: std::fs::File::open("/dev/null").map(|fd| Process { pid, fd: fd.into() }).during("open", "/dev/null")
    // SAFETY: the call takes two integers.
    let fd = match Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }) {
        Err(Errno::ESRCH) => return Err(Error::NoSuchProcess(pid)),
        fd => fd.during("pidfd_open", pid)?,
    };
    // SAFETY: a new descriptor, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    // Not before: between a look at a number and a grip at it, the number can change hands. With the descriptor in hand, the one
    // that is looked at is the one that is held, or a later one, and that has started later.
    if started_ticks(pid) != Some(noted_ticks) {
        return Err(Error::NoSuchProcess(pid));
    }
    Ok(Process { pid, fd })
    // end task
}

/// The kinds of namespaces in which `process` lives and the caller does not.
///
/// Those of its children to be are not its own. A kind that the kernel does not have is none. Source: namespaces(7), "The
/// /proc/pid/ns/ directory".
///
/// # Errors
/// [`Error::NoSuchProcess`] when it has ended; EACCES for a process that is not the caller's to look at.
pub fn differing(process: &Process) -> Result<Vec<NsKind>> {
    // task 2: for every kind but the two "for children": are the inodes of /proc/PID/ns/KIND and /proc/self/ns/KIND different? In the end, process.lives()
    // nothing: Ok(Vec::new())
    let mut kinds = Vec::new();
    let own = NsKind::ALL.into_iter().filter(|kind| !matches!(kind, NsKind::PidForChildren | NsKind::TimeForChildren));
    for kind in own {
        let path = process.proc(&format!("ns/{kind}"));
        let (theirs, ours) = (fs::metadata(&path), fs::metadata(format!("/proc/self/ns/{kind}")));
        match (theirs, ours) {
            // Not in this kernel.
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            (theirs, ours) => {
                process.lives()?;
                let theirs = theirs.during("stat", path.display())?.ino();
                kinds.extend((theirs != ours.during("stat", kind)?.ino()).then_some(kind));
            }
        }
    }
    // Else it may have been another's number by then.
    process.lives()?;
    Ok(kinds)
    // end task
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
    // task 3: setns(2) with kind.clone_flag() into each of them, in an order in which root can join them all, and an ordinary user too
    let (user, others): (Vec<_>, Vec<_>) = namespaces.iter().partition(|(kind, _)| *kind == NsKind::User);
    let join = |(kind, fd): &(NsKind, BorrowedFd<'_>)| setns(fd, kind.clone_flag());
    let mut later = Vec::new();
    for namespace in others {
        match join(namespace) {
            Err(Errno::EPERM) if !user.is_empty() => later.push(namespace),
            result => result.during("setns", namespace.0)?,
        }
    }
    // What belongs to the namespace outside can be joined before this alone, what belongs to this one by an ordinary user after it
    // alone.
    for namespace in user.into_iter().chain(later) {
        join(namespace).during("setns", namespace.0)?;
    }
    Ok(())
    // end task
}

/// Moves the caller into the cgroup of `process`, in every hierarchy that is mounted and in which that is another one than its own.
///
/// To be called before [`enter`]: the directories are the host's. Source: cgroups(7).
///
/// # Errors
/// EACCES for a group that the caller may not write to; [`Error::NoSuchProcess`] when the process has ended.
pub fn enter_group(process: &Process) -> Result<()> {
    // task 4: hierarchies() of /proc/PID/cgroup and of /proc/self/cgroup, both with /proc/self/mountinfo; where `own` differs, write 0 to its cgroup.procs (Cgroup::open, Part::write)
    let read = |path: &Path| fs::read_to_string(path).during("read", path.display());
    let mountinfo = read(Path::new("/proc/self/mountinfo"))?;
    let theirs = read(&process.proc("cgroup"));
    process.lives()?;
    let here = hierarchies(&read(Path::new("/proc/self/cgroup"))?, &mountinfo);
    let there = hierarchies(&theirs?, &mountinfo).into_iter();
    let others: Vec<_> = there.map(|it| it.own).filter(|own| here.iter().all(|it| it.own != *own)).collect();
    // 0 is whoever writes it.
    Cgroup::open(&others)?.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))
    // end task
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
    // task 5: fork(2), and before it prctl::set_dumpable, and close_range(2) for all but the standard three and keep
    // nothing: Ok(ForkResult::Parent { child: Pid::this() })
    prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|fd| *fd > 2).collect();
    kept.sort_unstable();
    let first = [3].into_iter().chain(kept.iter().map(|fd| fd + 1));
    let last = kept.iter().map(|fd| fd - 1).chain([u32::MAX]);
    for (first, last) in first.zip(last).filter(|(first, last)| first <= last) {
        // SAFETY: the call takes integers. By contract the caller uses none of these descriptors again.
        let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        Errno::result(status).during("close_range", format_args!("{first} to {last}"))?;
    }
    // SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
    unsafe { fork() }.during("fork", "into the PID namespace")
    // end task
}

/// Makes the directory `root` the caller's root, and `cwd`, a path below it, its working directory.
///
/// A mount namespace that is joined gives a root: the one of the namespace, which a process in there may have left for another.
/// Source: setns(2), chroot(2), getcwd(2).
///
/// # Errors
/// ENOENT when `cwd` is not there, or leads out: a path such as `/proc/self/fd/7` can (CVE-2024-21626).
pub fn enter_root(root: BorrowedFd<'_>, cwd: &Path) -> Result<()> {
    // task 6: fchdir(2), chroot(2) and chdir(2); and an error for a directory that is not below the root, by whichever path
    fchdir(root).during("fchdir", "the container's root")?;
    chroot(".").during("chroot", "the container's root")?;
    chdir(cwd).during("chdir", cwd.display())?;
    getcwd().during("getcwd", format_args!("{}, which is not in the container", cwd.display()))?;
    Ok(())
    // end task
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
    // task 7: prctl(2) PR_CAPBSET_DROP for all that are not in powers.bounding; set_inheritable, given below; no_new_privs if it has it
    for number in (0..u64::BITS).filter(|number| !powers.bounding.has(*number)) {
        // SAFETY: this option takes integers.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        match Errno::result(dropped) {
            Err(Errno::EINVAL) => break, // the kernel's last one is behind us
            result => result.during("prctl PR_CAPBSET_DROP", number)?,
        };
    }
    // The ambient set goes with it: nothing is ambient that is not inheritable.
    set_inheritable(0)?;
    if powers.no_new_privs {
        prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")?;
    }
    Ok(())
    // end task
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
