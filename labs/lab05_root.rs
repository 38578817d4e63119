//! Lab 05: two doors to another root, and why one of them does not lock.
//!
//! chroot(2) changes one field of the process: where its paths start. pivot_root(2) changes what is mounted
//! at the root of the whole mount namespace, so that the old one can be taken away.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::fs;
use std::os::unix::fs::chroot;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

/// The shared libraries that `program` needs, and its loader, as absolute paths: what `ldd` tells.
/// Empty for a static program.
///
/// Source: ldd(1), ld.so(8).
///
/// # Errors
/// ENOENT when `program` or `ldd` is missing; [`Error::Invalid`] when a library that it needs is not found.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    todo!("lab 05, task 1: run ldd; of each line take the word that starts with a slash; \"not found\" is an error")
}

/// Copies `programs` (absolute paths) and every library that they need into `rootfs`, each at its own path.
/// Directories are made; what is there already is replaced. A symbolic link is copied as the file it
/// leads to.
///
/// # Errors
/// As [`libraries`]; and whatever the copying meets, with the path.
pub fn build_rootfs(rootfs: &Path, programs: &[PathBuf]) -> Result<()> {
    todo!("lab 05, task 2: copy each program and its libraries to the same path below rootfs; fs::copy follows symlinks")
}

/// Makes `root` the root directory of the calling process, and its working directory.
///
/// Needs CAP_SYS_CHROOT. Source: chroot(2).
///
/// # Errors
/// ENOENT, ENOTDIR for a `root` that is no directory; EPERM without the capability.
pub fn enter_chroot(root: &Path) -> Result<()> {
    todo!("lab 05, task 3: chroot(2), then chdir(2) to the new /")
}

/// Walks out of a chroot: afterwards the root and the working directory of the calling process are the root
/// of its mount namespace.
///
/// The kernel stops `..` at one place only: the process's root. Move that below the working directory, and
/// nothing stops it. The walk may start in any directory below the root, and the directory that an earlier walk
/// made is no obstacle.
///
/// Needs CAP_SYS_CHROOT, and a working directory in which the caller may make another. Source: chroot(2).
///
/// # Errors
/// EPERM without the capability.
pub fn escape_chroot() -> Result<()> {
    todo!("lab 05, task 4: the kernel stops `..` at the root alone: move the root, not yourself")
}

/// Makes `root` the root of the caller's mount namespace and takes the old root away. The working directory
/// is then `/`. Mounts below `root` come along, and no directory is left over.
///
/// To be called in a mount namespace of its own (lab 04), whose mounts may still be shared. Needs CAP_SYS_ADMIN. Source: pivot_root(2),
/// NOTES on `pivot_root(".", ".")`.
///
/// # Errors
/// ENOENT, ENOTDIR for a `root` that is no directory; EPERM without the capability.
pub fn enter_pivot_root(root: &Path) -> Result<()> {
    todo!("lab 05, task 5: rule 4 of the chapter says what pivot_root(2) wants before, rule 5 what comes after")
}

/// Marks every descriptor from 3 up close-on-exec, so that the program to come gets the standard three alone.
/// None is closed now: the code that runs until the exec may need them.
///
/// A directory that was opened before [`enter_pivot_root`] is a way around it: `openat(2)` starts there,
/// whatever the root is. Source: close_range(2), CLOSE_RANGE_CLOEXEC (Linux 5.11).
///
/// # Errors
/// EINVAL on an older kernel.
pub fn seal_fds() -> Result<()> {
    todo!("lab 05, task 6: close_range(2) from 3 to the last, with CLOSE_RANGE_CLOEXEC")
}
