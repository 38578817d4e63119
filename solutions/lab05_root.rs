//! Lab 05: two doors to another root, and why one of them does not lock.
//!
//! chroot(2) changes one field of the process: where its paths start. pivot_root(2) changes what is mounted
//! at the root of the whole mount namespace, so that the old one can be taken away.

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
    // task 1: run ldd; of each line take the word that starts with a slash; "not found" is an error
    fs::metadata(program).during("stat", program.display())?;
    // ldd says "not a dynamic executable" and fails for a static program: no paths, as it should be.
    let output = Command::new("ldd").arg(program).output().during("run ldd", program.display())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        return Err(Error::invalid("library", line.trim(), "install it, or set LD_LIBRARY_PATH"));
    }
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(path).collect())
    // end task
}

/// Copies `programs` (absolute paths) and every library that they need into `rootfs`, each at its own path.
/// Directories are made; what is there already is replaced. A symbolic link is copied as the file it
/// leads to.
///
/// # Errors
/// As [`libraries`]; and whatever the copying meets, with the path.
pub fn build_rootfs(rootfs: &Path, programs: &[PathBuf]) -> Result<()> {
    // task 2: copy each program and its libraries to the same path below rootfs; fs::copy follows symlinks
    // A set: most programs need libc, and once is enough.
    let mut files = std::collections::BTreeSet::new();
    for program in programs {
        files.insert(program.clone());
        files.extend(libraries(program)?);
    }
    for file in &files {
        // join() with an absolute path would throw `rootfs` away.
        let copy = rootfs.join(file.strip_prefix("/").unwrap_or(file));
        let directory = copy.parent().unwrap_or(rootfs);
        fs::create_dir_all(directory).during("mkdir", directory.display())?;
        fs::copy(file, &copy).during("copy", file.display())?;
    }
    Ok(())
    // end task
}

/// Makes `root` the root directory of the calling process, and its working directory.
///
/// Needs CAP_SYS_CHROOT. Source: chroot(2).
///
/// # Errors
/// ENOENT, ENOTDIR for a `root` that is no directory; EPERM without the capability.
pub fn enter_chroot(root: &Path) -> Result<()> {
    // task 3: chroot(2), then chdir(2) to the new /
    chroot(root).during("chroot", root.display())?;
    // The working directory is still outside, and `..` would lead on from there.
    chdir("/").during("chdir", "/")
    // end task
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
    // task 4: the kernel stops `..` at the root alone: move the root, not yourself
    const STEP: &str = "way-out";
    match fs::create_dir(STEP) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error).during("mkdir", STEP),
        _ => {}
    }
    // No chdir: now the working directory is above the root, where no check for `..` is made.
    chroot(STEP).during("chroot", STEP)?;
    // At the top `..` stays where it is, so too many steps do no harm.
    (0..256).try_for_each(|_| chdir("..")).during("chdir", "..")?;
    chroot(".").during("chroot", ".")
    // end task
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
    // task 5: rule 4 of the chapter says what pivot_root(2) wants before, rule 5 what comes after
    let none = None::<&str>;
    // A shared mount would carry the change to its peers, so the kernel refuses it: EINVAL.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
    // The new root must be a mount; a plain directory becomes one by being bound onto itself.
    mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
    chdir(root).during("chdir", root.display())?;
    // With "." for both, the old root is stacked on top of the new one: no directory for it is needed.
    pivot_root(".", ".").during("pivot_root", root.display())?;
    // "." now names the old root. It is busy, with us in it among others, so detach it: gone for new lookups.
    umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
    chdir("/").during("chdir", "/")
    // end task
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
    // task 6: close_range(2) from 3 to the last, with CLOSE_RANGE_CLOEXEC
    // SAFETY: close_range takes three integers; with CLOSE_RANGE_CLOEXEC no descriptor is closed now, so
    // nobody's OwnedFd is pulled from under it.
    let status = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(status).map(drop).during("close_range", "3.. CLOSE_RANGE_CLOEXEC")
    // end task
}
