//! Lab 09: root inside, nobody outside.
//!
//! A user namespace has ids of its own. Its map says who they are outside, and whoever writes the map is asked by the
//! kernel whose ids they are giving away.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "fork, _exit and the calls on detached mounts have no safe wrapper")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use model::ids::{IdMaps, IdRange};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, geteuid, pipe2, setgroups, setresgid, setresuid};

/// Reads `text`, what `/proc/PID/uid_map` or `gid_map` holds: a line a range.
///
/// Source: user_namespaces(7), "Defining user and group ID mappings".
///
/// # Errors
/// [`Error::Invalid`] when a line is not three numbers.
pub fn parse(text: &str) -> Result<Vec<IdRange>> {
    todo!("lab 09, task 1: each line is ID-inside ID-outside length, with blanks between")
}

/// The map for a container of `user`, whose number is `uid`: what `own` is outside is 0 inside, and after it, without
/// a gap, come the ids that `subids` gives to the user, in its order. Without `own` they begin at 0.
///
/// `subids` is the text of `/etc/subuid` or `/etc/subgid`, where a line is `OWNER:FIRST:COUNT` and the owner is a name
/// or a number. A line that is not of this form, or has a count of 0, is left out. Source: subuid(5), subgid(5).
///
/// # Errors
/// [`Error::Invalid`] when nothing is there to be mapped, and when an id would be mapped twice: the kernel refuses
/// such a map with EINVAL and no word about why.
pub fn container_map(own: Option<u32>, subids: &str, user: &str, uid: Uid) -> Result<Vec<IdRange>> {
    todo!("lab 09, task 2: 0 → own, then every line of subids whose owner is user or uid; IdRange::overlaps() tells what is there twice")
}

/// Writes the maps of the user namespace that `process` has just made. It can be done once.
///
/// For whoever is not root, setgroups(2) is denied in there first: by dropping a group, a process could get at a file
/// that is closed to this group. Source: user_namespaces(7), "Interaction with system calls that change process UIDs
/// or GIDs" and "The /proc/PID/setgroups file".
///
/// # Errors
/// EPERM for ids that the caller may not give away, for a gid_map before "deny", and for a second write; EINVAL for a
/// map that overlaps.
pub fn write_maps(process: Pid, maps: &IdMaps) -> Result<()> {
    todo!("lab 09, task 3: unless you are root, \"deny\" to /proc/PID/setgroups; then uid_map and gid_map, each in a single write")
}

/// As [`write_maps`], for an ordinary user who has ranges: by newuidmap(1) and newgidmap(1), which are root's by their
/// set-user-ID bit (or a file capability) and give away what /etc/subuid and /etc/subgid say, nothing else.
///
/// # Errors
/// ENOENT when they are not installed; otherwise what they print.
pub fn map_with_helpers(process: Pid, maps: &IdMaps) -> Result<()> {
    todo!("lab 09, task 4: newuidmap PID inside outside count …, newgidmap the same; a refusal is in the exit code and on standard error")
}

/// Makes a user namespace, and returns a descriptor of it once its ids are mapped. The caller stays where it is.
///
/// A namespace needs somebody in it until there is a descriptor: a child, which does nothing. To be called by a
/// process with one thread. Source: user_namespaces(7).
///
/// # Errors
/// EPERM or ENOSPC where user namespaces are not for everybody; what [`map`] says.
pub fn create(maps: &IdMaps) -> Result<OwnedFd> {
    todo!("lab 09, task 5: fork a child that calls unshare(2) with CLONE_NEWUSER, tells you, and waits; map() it; open /proc/PID/ns/user; let it end")
}

/// Chooses between [`write_maps`] and [`map_with_helpers`]. Given.
///
/// # Errors
/// Theirs.
fn map(process: Pid, maps: &IdMaps) -> Result<()> {
    let is_one_id = |map: &[IdRange]| matches!(map, [IdRange { count: 1, .. }]);
    // Anybody may give away themselves, and nobody else.
    let is_own = is_one_id(&maps.uids) && is_one_id(&maps.gids);
    if geteuid().is_root() || is_own { write_maps(process, maps) } else { map_with_helpers(process, maps) }
}

/// Moves the caller into `userns`, where it is root: user and group 0, no other groups, every capability.
///
/// Source: setns(2), user_namespaces(7), credentials(7).
///
/// # Errors
/// EPERM for a namespace that the caller did not make; EINVAL for one that it is in, when 0 is not mapped, and for a
/// caller with more than one thread.
pub fn enter(userns: BorrowedFd<'_>) -> Result<()> {
    todo!("lab 09, task 6: setns(2) with CLONE_NEWUSER; then, unless setgroups is denied, no groups; group 0, and user 0 last")
}

/// A copy of the mount at `source`, with the mounts below it, in which files have the owners that `userns` has for
/// them: 0's are root's in there. Nothing changes on the disk. The copy is nowhere in the tree of mounts yet.
///
/// Source: open_tree(2), mount_setattr(2), "ID-mapped mounts" (Linux 5.12; tmpfs 6.3).
///
/// # Errors
/// EINVAL for a file system that cannot do that; EPERM for who is not root where the file system was mounted.
pub fn idmapped(source: &Path, userns: BorrowedFd<'_>) -> Result<OwnedFd> {
    todo!("lab 09, task 7: open_tree(2) with OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC and AT_RECURSIVE, then mount_setattr(2) with MOUNT_ATTR_IDMAP and userns_fd")
}
