//! Lab 04 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::{During, Error, Propagation, Result};
use nix::mount::{MsFlags, mount};
use nix::unistd::ForkResult;

/// Moves the calling process into a new mount namespace: a copy of the caller's list of mounts.
///
/// Needs CAP_SYS_ADMIN. Source: unshare(2), mount_namespaces(7).
///
/// # Errors
/// EPERM without the capability.
pub fn unshare_mounts() -> Result<()> {
    // SAFETY: a number in, a number out.
    let status = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    nix::errno::Errno::result(status).map(drop).during("unshare", "CLONE_NEWNS")
}

/// Sets the propagation of the mount at `mount_point` and of every mount below it.
///
/// [`Propagation::SharedSlave`] makes a slave of what was shared, then shares that anew.
/// Source: mount(2), "Changing the propagation type of an existing mount".
///
/// # Errors
/// EINVAL when `mount_point` is not a mount point; EPERM without CAP_SYS_ADMIN.
pub fn set_propagation(mount_point: &Path, propagation: Propagation) -> Result<()> {
    let change = |flag| {
        mount(None::<&str>, mount_point, None::<&str>, flag | MsFlags::MS_REC, None::<&str>)
            .during("mount", mount_point.display())
    };
    match propagation {
        Propagation::Private => change(MsFlags::MS_PRIVATE),
        Propagation::Unbindable => change(MsFlags::MS_UNBINDABLE),
        Propagation::Shared => change(MsFlags::MS_SHARED),
        Propagation::Slave => change(MsFlags::MS_SLAVE),
        Propagation::SharedSlave => change(MsFlags::MS_SLAVE).and_then(|()| change(MsFlags::MS_SHARED)),
    }
}

/// The propagation of the mount at `mount_point`, read from `mountinfo`, the text of `/proc/PID/mountinfo`.
///
/// Where mounts are stacked on one point, the topmost counts: the one whose ID is not the parent ID of another
/// there. (The order of the lines does not tell: `mount --move` leaves a mount its place in the list.) A space,
/// tab, newline or backslash in a path is written as `\040`, `\011`, `\012`, `\134`. Source: proc(5),
/// /proc/pid/mountinfo.
///
/// # Errors
/// [`Error::Invalid`] when nothing is mounted at `mount_point`.
pub fn propagation(mountinfo: &str, mount_point: &Path) -> Result<Propagation> {
    let here: Vec<(Vec<&str>, &str)> = mountinfo
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .map(|(left, right)| (left.split(' ').collect::<Vec<_>>(), right))
        .filter(|(left, _)| left.len() >= 6 && unescape(left[4]) == mount_point.as_os_str().as_bytes())
        .collect();
    let top = here
        .iter()
        .find(|(candidate, _)| !here.iter().any(|(other, _)| other[1] == candidate[0] && other[0] != candidate[0]))
        .ok_or_else(|| Error::invalid("mount point", mount_point.to_string_lossy(), "a path where something is mounted"))?;
    let has = |tag: &str| top.0[6..].iter().any(|field| field.split(':').next() == Some(tag));
    Ok(if has("shared") && has("master") {
        Propagation::SharedSlave
    } else if has("shared") {
        Propagation::Shared
    } else if has("master") {
        Propagation::Slave
    } else if has("unbindable") {
        Propagation::Unbindable
    } else {
        Propagation::Private
    })
}

/// The bytes of a mountinfo field, with `\040` and its like read back.
#[must_use]
pub fn unescape(field: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = || u8::from_str_radix(std::str::from_utf8(tail.get(..3)?).ok()?, 8).ok();
        match (first, octal()) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Mounts a new proc at `target`. It shows the PID namespace that the caller is in.
///
/// With nosuid, nodev and noexec: nothing in proc needs to be any of these. Source: proc(5), mount(2).
///
/// # Errors
/// ENOENT when `target` is missing; EPERM without CAP_SYS_ADMIN, and in a user namespace where the /proc
/// that is in sight has parts covered by other mounts (mount_namespaces(7)).
pub fn mount_proc(target: &Path) -> Result<()> {
    mount_quietly("proc", target)
}

/// Mounts the POSIX message queues of the caller's IPC namespace at `target`, as files.
///
/// With nosuid, nodev and noexec. Source: mq_overview(7), "Mounting the message queue filesystem".
///
/// # Errors
/// As [`mount_proc`].
pub fn mount_mqueue(target: &Path) -> Result<()> {
    mount_quietly("mqueue", target)
}

/// A file system without a device, with nothing in it that could be dangerous.
fn mount_quietly(kind: &str, target: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), target, Some(kind), flags, None::<&str>).during("mount", target.display())
}

/// What `unshare --pid --fork --mount-proc` does: forks a child that is PID 1 of a new PID namespace, in a
/// mount namespace of its own, where `/proc` shows the new PID namespace. Returns twice, like fork(2).
///
/// The caller keeps its own mounts and its own `/proc`; what the child mounts later stays with the child.
///
/// # Errors
/// Those of the steps; in the child too, which then returns the error.
pub fn fork_with_proc() -> Result<ForkResult> {
    // One clone(2) with both flags: the child alone moves, the caller stays in its mount namespace.
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::SIGCHLD;
    // SAFETY: no stack is given, so it returns twice on copies of this one, as fork(2) does; one thread only.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    let forked = match nix::errno::Errno::result(pid).during("clone", "CLONE_NEWPID | CLONE_NEWNS")? {
        0 => ForkResult::Child,
        child => ForkResult::Parent { child: nix::unistd::Pid::from_raw(child as i32) },
    };
    if forked.is_child() {
        // Slave is enough: what is mounted here goes nowhere, and the host's unmounts still arrive.
        set_propagation(Path::new("/"), Propagation::Slave)?;
        mount_proc(Path::new("/proc"))?;
    }
    Ok(forked)
}
