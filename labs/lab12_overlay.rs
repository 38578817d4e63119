//! Lab 12: one root file system for many containers, and each keeps its own changes.
//!
//! An overlay shows directories as one: lower ones, which are never written, and an upper one, which gets what is. What the
//! upper one cannot leave out by not having it, it hides by a mark.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use model::layer::{Change, ChangeKind, Entry, Mark, Marks, Overlay, is_opaque};
use model::tree::{is_same_directory, kind, names, open_directory, place, take_after};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, fstat, mknod, mknodat};

/// What mount(2) takes of its last argument: a page less the zero at its end. The rest is cut off, and nothing is said.
pub const OPTIONS_MAX_BYTES: usize = 4095;

/// The options that mount `overlay`: mount(2) has them as one text, `key=value,key=value`.
///
/// In a path, `\` stands before a character that would end it: `\` itself, `,`, and `:`, which stands between lower
/// directories. Source: overlayfs, "Multiple lower layers", "Permission model" for `userxattr`.
#[must_use]
pub fn options(overlay: &Overlay) -> OsString {
    todo!("lab 12, task 1: lowerdir=TOP:…:BOTTOM,upperdir=…,workdir=…; then userxattr for user marks, else redirect_dir=off,metacopy=off")
}

/// Mounts `overlay` on the directory `target`, in the caller's mount namespace.
///
/// When the options are too long for mount(2), the lower directories go by shorter names: `/proc/self/fd/N`, each the
/// number of a descriptor that is open for as long as the call takes. Source: mount(2), proc_pid_fd(5).
///
/// # Errors
/// ENOENT for a layer that is not there; EINVAL when `work` is on another file system than `upper`, or that one is an overlay
/// itself; [`Error::Invalid`] when there are too many layers by any name. An `upper` that keeps no extended attributes may be
/// taken all the same: then no directory from below can be removed (EIO).
pub fn mount_overlay(overlay: &Overlay, target: &Path) -> Result<()> {
    todo!("lab 12, task 2: mount(2) with type overlay and the options; if they are too long, with the lowers opened (O_PATH), and named by their numbers")
}

/// Writes a mark into `directory`, one of a layer's.
///
/// A whiteout is a character device with the numbers 0 and 0. No driver is behind it, so whoever can write to the directory
/// can make one (Linux 5.8). Source: overlayfs, "whiteouts and opaque directories".
///
/// # Errors
/// EEXIST when `directory` has something by the name of a whiteout; EPERM for a mark that is not the caller's to write;
/// EOPNOTSUPP on a file system without extended attributes.
pub fn make_mark(directory: BorrowedFd<'_>, mark: Mark<'_>, marks: Marks) -> Result<()> {
    todo!("lab 12, task 3: Whiteout: mknodat(2), a character device, no permissions, number 0; Opaque: the attribute marks.opaque(), value y (xattr::set_deref on place(directory))")
}

/// What `directory`, one of a layer's, has by `name`. Symbolic links are files here, and are not followed.
///
/// # Errors
/// EACCES where the caller may not look.
pub fn entry(directory: BorrowedFd<'_>, name: &OsStr, marks: Marks) -> Result<Entry> {
    todo!("lab 12, task 4: openat(2) with O_PATH and O_NOFOLLOW, then fstat(2): is it a character device with number 0, is it a directory, has that the attribute?")
}

/// What is to be seen by `name` in the directories `layers`, the topmost first, when they are merged: a file; or a directory,
/// followed by those of the layers below that it is merged with; or nothing.
///
/// # Errors
/// As [`entry`].
pub fn lookup(layers: &[OwnedFd], name: &OsStr, marks: Marks) -> Result<Vec<OwnedFd>> {
    todo!("lab 12, task 5: go down the layers by entry(): what stops the search, what is added to what was found, what comes too late to be seen?")
}

/// What the upper directory of `overlay` makes of the lower ones, by path. A directory is `Changed` too when something in it
/// is not as it was. The merged view is not needed: nothing has to be mounted.
///
/// # Errors
/// As [`entry`].
pub fn changes(overlay: &Overlay) -> Result<Vec<Change>> {
    let lowers = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<Vec<_>>>()?;
    let mut changes = compare(&open_directory(&overlay.upper)?, &lowers, Path::new("/"), overlay.marks, false)?;
    changes.sort();
    Ok(changes)
}

/// What the directory `upper`, at `path` inside, makes of `lowers`, the directories below it by the same path. In an `opaque`
/// one every directory is opaque, and need not bear the mark. The one on `/` counts for nothing, as with the kernel.
fn compare(upper: &OwnedFd, lowers: &[OwnedFd], path: &Path, marks: Marks, opaque: bool) -> Result<Vec<Change>> {
    todo!("lab 12, task 6: for each of names(): whiteout or not, below it (lookup) something or not: A, C, D; then into directories. If upper is opaque (`/` never is), or one above it: what of the lowers is not in it is D")
}

/// Copies all that is in the directory `from` to the empty directory `to`, and gives `to` what `from` itself has: owner, mode,
/// time, extended attributes.
///
/// # Errors
/// EPERM for a device node that the caller may not make, or an owner that is not the caller's to give.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
    copy_content(from, to, &mut HashMap::new())?;
    take_after(from, &metadata, to)
}

/// Copies what is in `from`. `copies` is where each file is that has several names, by its device and inode.
fn copy_content(from: &Path, to: &Path, copies: &mut HashMap<(u64, u64), PathBuf>) -> Result<()> {
    for entry in fs::read_dir(from).during("readdir", from.display())? {
        let name = entry.during("readdir", from.display())?.file_name();
        copy_one(&from.join(&name), &to.join(&name), copies)?;
    }
    Ok(())
}

/// Copies one file or directory to a name that is free.
fn copy_one(from: &Path, to: &Path, copies: &mut HashMap<(u64, u64), PathBuf>) -> Result<()> {
    todo!("lab 12, task 7: if it has several names and its copy is there: hard_link; else make a directory, symlink, file, or node (mknod(2)); then take_after()")
}
