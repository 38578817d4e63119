//! Lab 15 by asking first: whether the caller has the right says when the user namespace is to be joined; every number is closed,
//! one by one; the child is made by clone3(2).
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::cgroup::hierarchies;
use model::{Cgroup, During, Error, NsKind, Powers, Process, Result, started_ticks};
use nix::errno::Errno;
use nix::sched::setns;
use nix::unistd::{ForkResult, Pid, chdir, chroot, getcwd};

/// See the solution.
pub fn open(pid: Pid, noted_ticks: u64) -> Result<Process> {
    // SAFETY: two integers.
    let raw = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) });
    if raw == Err(Errno::ESRCH) {
        return Err(Error::NoSuchProcess(pid));
    }
    // SAFETY: it is new, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(raw.during("pidfd_open", pid)? as i32) };
    let process = Process { pid, fd };
    let started = started_ticks(pid);
    process.lives()?;
    if started == Some(noted_ticks) { Ok(process) } else { Err(Error::NoSuchProcess(pid)) }
}

/// See the solution.
pub fn differing(process: &Process) -> Result<Vec<NsKind>> {
    let directory = process.proc("ns");
    let read = fs::read_dir("/proc/self/ns").during("readdir", "/proc/self/ns")?;
    let mut found = Vec::new();
    for file in read.flatten() {
        let name = file.file_name();
        let kind = NsKind::ALL.into_iter().find(|kind| name == kind.file_name());
        let Some(kind) = kind.filter(|kind| !kind.file_name().ends_with("_for_children")) else { continue };
        let theirs = fs::metadata(directory.join(&name));
        process.lives()?;
        let ours = fs::metadata(file.path()).during("stat", file.path().display())?;
        if theirs.during("stat", name.display())?.ino() != ours.ino() {
            found.push(kind);
        }
    }
    process.lives()?;
    Ok(found)
}

/// See the solution.
pub fn enter(namespaces: &[(NsKind, BorrowedFd<'_>)]) -> Result<()> {
    let user = namespaces.iter().find(|(kind, _)| *kind == NsKind::User);
    let others = namespaces.iter().filter(|(kind, _)| *kind != NsKind::User);
    let is_admin = has_admin()?;
    // Without the right here, everything waits for the user namespace. With it, nothing has to.
    let (before, after): (Vec<_>, Vec<_>) = others.partition(|_| is_admin || user.is_none());
    for (kind, fd) in before.into_iter().chain(user).chain(after) {
        setns(fd, kind.clone_flag()).during("setns", kind)?;
    }
    Ok(())
}

/// Whether CAP_SYS_ADMIN is in the caller's effective set.
fn has_admin() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").during("read", "status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0");
    Ok(u64::from_str_radix(effective.trim(), 16).is_ok_and(|set| set & (1 << 21) != 0))
}

/// See the solution.
pub fn enter_group(process: &Process) -> Result<()> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").during("read", "mountinfo")?;
    let places = |text: &str| hierarchies(text, &mountinfo).into_iter().map(|it| it.own).collect::<Vec<_>>();
    let theirs = fs::read_to_string(process.proc("cgroup"));
    process.lives()?;
    let theirs = places(&theirs.during("read", "cgroup")?);
    let own = places(&fs::read_to_string("/proc/self/cgroup").during("read", "cgroup")?);
    for place in theirs.into_iter().filter(|place| !own.contains(place)) {
        for part in Cgroup::open(&[place])?.parts() {
            part.write("cgroup.procs", std::process::id())?;
        }
    }
    Ok(())
}

/// See the solution.
pub fn fork_inside(keep: &[BorrowedFd<'_>]) -> Result<ForkResult> {
    nix::sys::prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
    // Its own files in /proc are root's from here on, and may not be listed any more: the numbers are tried.
    let highest = 1 << 16;
    let kept = |fd: &i32| keep.iter().any(|kept| kept.as_raw_fd() == *fd);
    // SAFETY: by contract nobody uses what is closed.
    (3..highest).filter(|fd| !kept(fd)).for_each(|fd| drop(unsafe { libc::close(fd) }));
    let mut args = [0_u64; 8];
    args[4] = libc::SIGCHLD as u64;
    // SAFETY: clone_args' first eight numbers; without a stack of its own the child goes on here, as after a fork.
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), size_of_val(&args)) }) {
        Ok(0) => Ok(ForkResult::Child),
        child => child.map(|child| ForkResult::Parent { child: Pid::from_raw(child as i32) }).during("clone3", "a child"),
    }
}

/// See the solution.
pub fn enter_root(root: BorrowedFd<'_>, cwd: &Path) -> Result<()> {
    let own = File::from(root.try_clone_to_owned().during("dup", "the root")?);
    nix::unistd::fchdir(own.as_fd()).during("fchdir", "the root")?;
    chroot(".").during("chroot", "the root")?;
    chdir(cwd).during("chdir", cwd.display())?;
    let place = getcwd().during("getcwd", cwd.display())?;
    if place.is_absolute() { Ok(()) } else { Err(Errno::ENOENT).during("getcwd", cwd.display()) }
}

/// See the solution.
pub fn lower(powers: &Powers) -> Result<()> {
    if powers.no_new_privs {
        nix::sys::prctl::set_no_new_privs().during("prctl", "no_new_privs")?;
    }
    let (header, mut data) = ((0x2008_0522_u32, 0i32), [[0u32; 3]; 2]);
    // SAFETY: integers, and for this version a header and two times three numbers.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        Errno::result(libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr())).during("capget", "self")?;
        data.iter_mut().for_each(|half| half[2] = 0);
        Errno::result(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr())).during("capset", "self")?;
        for number in (0..64_u32).rev().filter(|number| !powers.bounding.has(*number)) {
            match Errno::result(libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0)) {
                // More than this kernel has.
                Err(Errno::EINVAL) => {}
                result => drop(result.during("prctl PR_CAPBSET_DROP", number)?),
            }
        }
    }
    Ok(())
}
