//! Lab 04: a /proc of one's own, and mounts that stay inside.
//!
//! A mount namespace is a copy of the list of mounts. But each mount in the copy may still be a peer of its
//! original: propagation decides whether a mount made here shows up there.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::{During, Error, Propagation, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, fork};

/// Moves the calling process into a new mount namespace: a copy of the caller's list of mounts.
///
/// Needs CAP_SYS_ADMIN. Source: unshare(2), mount_namespaces(7).
///
/// # Errors
/// EPERM without the capability.
pub fn unshare_mounts() -> Result<()> {
    todo!("lab 04, task 1: call unshare(2) with the flag of the mount namespace")
}

/// Sets the propagation of the mount at `mount_point` and of every mount below it.
///
/// [`Propagation::SharedSlave`] makes a slave of what was shared, then shares that anew.
/// Source: mount(2), "Changing the propagation type of an existing mount".
///
/// # Errors
/// EINVAL when `mount_point` is not a mount point; EPERM without CAP_SYS_ADMIN.
pub fn set_propagation(mount_point: &Path, propagation: Propagation) -> Result<()> {
    todo!("lab 04, task 2: mount(2) with MS_REC and the flag of the propagation; source, type and data are ignored")
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
    todo!("lab 04, task 3: fields 1, 2, 5 are ID, parent ID, mount point; the optional fields start at 7 and end with a single \"-\"")
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
    todo!("lab 04, task 4: mount(2) with type proc and the three flags")
}

/// Mounts the POSIX message queues of the caller's IPC namespace at `target`, as files.
///
/// With nosuid, nodev and noexec. Source: mq_overview(7), "Mounting the message queue filesystem".
///
/// # Errors
/// As [`mount_proc`].
pub fn mount_mqueue(target: &Path) -> Result<()> {
    todo!("lab 04, task 5: mount(2) with type mqueue and the three flags")
}

/// What `unshare --pid --fork --mount-proc` does: forks a child that is PID 1 of a new PID namespace, in a
/// mount namespace of its own, where `/proc` shows the new PID namespace. Returns twice, like fork(2).
///
/// The caller keeps its own mounts and its own `/proc`; what the child mounts later stays with the child.
///
/// # Errors
/// Those of the steps; in the child too, which then returns the error.
pub fn fork_with_proc() -> Result<ForkResult> {
    todo!("lab 04, task 6: four steps; decide which are the caller's and which the child's")
}
