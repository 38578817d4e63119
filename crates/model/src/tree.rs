//! Directories and what is in them, for the labs that walk through layers.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::error::{During, Result};

/// Opens a directory to look for names in it.
///
/// # Errors
/// [`crate::Error::Os`] when it is not there, or no directory.
pub fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::empty()).during("open", path.display())
}

/// The names in a directory, sorted; not `.` and `..`.
///
/// # Errors
/// [`crate::Error::Os`] when it cannot be read.
pub fn names(directory: &OwnedFd) -> Result<Vec<OsString>> {
    let path = place(directory.as_fd());
    let open = Dir::openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let mut names = Vec::new();
    for entry in open.during("open", path.display())?.iter() {
        let entry = entry.during("readdir", path.display())?;
        names.push(OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
    }
    names.retain(|name| name != "." && name != "..");
    names.sort();
    Ok(names)
}

/// The path by which a system call without a descriptor argument reaches what `fd` names.
#[must_use]
pub fn place(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// What kind of file it is.
#[must_use]
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Whether a directory has the owner, the mode and the time that it had before.
#[must_use]
pub fn is_same_directory(old: &FileStat, new: &FileStat) -> bool {
    let told = |stat: &FileStat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime, stat.st_mtime_nsec);
    told(old) == told(new)
}

/// Gives `to` the owner, mode, extended attributes and time of `from`, whose copy it is.
///
/// # Errors
/// [`crate::Error::Os`] with EPERM for an owner or an attribute that is not the caller's to give.
pub fn take_after(from: &Path, original: &Metadata, to: &Path) -> Result<()> {
    lchown(to, Some(original.uid()), Some(original.gid())).during("chown", to.display())?;
    if !original.is_symlink() {
        fs::set_permissions(to, original.permissions()).during("chmod", to.display())?;
    }
    let copy_attributes = || -> io::Result<()> {
        for name in xattr::list(from)? {
            if let Some(value) = xattr::get(from, &name)? {
                xattr::set(to, &name, &value)?;
            }
        }
        Ok(())
    };
    match copy_attributes() {
        // This file system keeps none.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        result => result.during("copy the attributes of", from.display())?,
    }
    let atime = TimeSpec::new(original.atime(), original.atime_nsec());
    let mtime = TimeSpec::new(original.mtime(), original.mtime_nsec());
    utimensat(AT_FDCWD, to, &atime, &mtime, UtimensatFlags::NoFollowSymlink).during("utimensat", to.display())
}
