//! Lab 15 with system calls alone; the namespaces are tried again and again, until no try gets any further.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::cgroup::hierarchies;
use model::{During, Error, NsKind, Powers, Process, Result, started_ticks};
use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid};

/// See the solution.
pub fn open(pid: Pid, noted_ticks: u64) -> Result<Process> {
    // SAFETY: two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    if fd < 0 {
        return match Errno::last() {
            Errno::ESRCH => Err(Error::NoSuchProcess(pid)),
            other => Err(other).during("pidfd_open", pid),
        };
    }
    // SAFETY: it is new, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let is_it = started_ticks(pid).is_some_and(|ticks| ticks == noted_ticks);
    if is_it { Ok(Process { pid, fd }) } else { Err(Error::NoSuchProcess(pid)) }
}

/// See the solution.
pub fn differing(process: &Process) -> Result<Vec<NsKind>> {
    let mut kinds = Vec::new();
    for name in ["uts", "user", "time", "pid", "net", "mnt", "ipc", "cgroup"] {
        let Some(kind) = NsKind::ALL.into_iter().find(|kind| kind.file_name() == name) else { continue };
        let Ok(own) = fs::read_link(format!("/proc/self/ns/{name}")) else { continue };
        match fs::read_link(process.proc(&format!("ns/{name}"))) {
            Ok(theirs) if theirs == own => {}
            Ok(_) => kinds.push(kind),
            Err(error) => {
                process.lives()?;
                return Err(error).during("readlink", name);
            }
        }
    }
    process.lives().map(|()| kinds)
}

/// See the solution.
pub fn enter(namespaces: &[(NsKind, BorrowedFd<'_>)]) -> Result<()> {
    let mut left = namespaces.to_vec();
    // Last in each round, so that what is joined without it is.
    left.sort_by_key(|(kind, _)| *kind == NsKind::User);
    while !left.is_empty() {
        let (before, mut refused) = (left.len(), None);
        left.retain(|(kind, fd)| {
            // SAFETY: two integers; the descriptor is open.
            let failed = unsafe { libc::setns(fd.as_raw_fd(), kind.clone_flag().bits()) } != 0;
            if failed {
                refused = Some((*kind, Errno::last()));
            }
            failed
        });
        if let Some((kind, errno)) = refused.filter(|(_, errno)| left.len() == before || *errno != Errno::EPERM) {
            return Err(errno).during("setns", kind);
        }
    }
    Ok(())
}

/// See the solution.
pub fn enter_group(process: &Process) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").during("read", "mountinfo")?;
    let own = fs::read_to_string("/proc/self/cgroup").during("read", "cgroup")?;
    let theirs = fs::read_to_string(process.proc("cgroup"));
    process.lives()?;
    let own = hierarchies(&own, &mounts);
    for there in hierarchies(&theirs.during("read", "cgroup")?, &mounts) {
        if own.contains(&there) {
            continue;
        }
        let file = there.own.join("cgroup.procs");
        let mut options = fs::OpenOptions::new();
        let text = Pid::this().to_string();
        let open = options.write(true).open(&file);
        open.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes())).during("write", file.display())?;
    }
    Ok(())
}

/// See the solution.
pub fn fork_inside(keep: &[BorrowedFd<'_>]) -> Result<ForkResult> {
    // SAFETY: integers; by contract nobody uses what is closed.
    unsafe {
        Errno::result(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)).during("prctl", "PR_SET_DUMPABLE")?;
        let last = keep.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(2).max(2);
        for fd in (3..=last).filter(|fd| keep.iter().all(|kept| kept.as_raw_fd() != *fd)) {
            libc::close(fd);
        }
        libc::syscall(libc::SYS_close_range, last + 1, u32::MAX, 0);
        match Errno::result(libc::fork()).during("fork", "a child")? {
            0 => Ok(ForkResult::Child),
            child => Ok(ForkResult::Parent { child: Pid::from_raw(child) }),
        }
    }
}

/// See the solution.
pub fn enter_root(root: BorrowedFd<'_>, cwd: &Path) -> Result<()> {
    let path = CString::new(cwd.as_os_str().as_bytes()).map_err(io::Error::from).during("chdir", cwd.display())?;
    let mut place = [0; libc::PATH_MAX as usize];
    // SAFETY: a descriptor that is open, C strings, and a buffer of the size given.
    let length = unsafe {
        Errno::result(libc::fchdir(root.as_raw_fd())).during("fchdir", "the root")?;
        Errno::result(libc::chroot(c".".as_ptr())).during("chroot", "the root")?;
        Errno::result(libc::chdir(path.as_ptr())).during("chdir", cwd.display())?;
        libc::syscall(libc::SYS_getcwd, place.as_mut_ptr(), place.len())
    };
    // The call itself tells what cannot be reached by a word in brackets.
    if length > 0 && place[0] == b'/' { Ok(()) } else { Err(Errno::ENOENT).during("getcwd", cwd.display()) }
}

/// See the solution.
pub fn lower(powers: &Powers) -> Result<()> {
    let header = [0x2008_0522_u32, 0];
    let mut sets = [0u32; 6];
    // SAFETY: integers; a header and six numbers for the version that it names.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr())).during("capget", "self")?;
        (sets[2], sets[5]) = (0, 0);
        // What is not inheritable cannot be ambient: that goes by itself.
        Errno::result(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr())).during("capset", "self")?;
        for number in 0..64_u32 {
            let known = libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0);
            if known == 1 && !powers.bounding.has(number) {
                let drop = libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0);
                Errno::result(drop).during("prctl PR_CAPBSET_DROP", number)?;
            }
        }
        if powers.no_new_privs {
            Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)).during("prctl", "no_new_privs")?;
        }
    }
    Ok(())
}
