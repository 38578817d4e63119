//! Lab 05 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

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
    // ldd ends with 1 for a static program and for one that is not there: tell them apart first.
    fs::File::open(program).during("open", program.display())?;
    let output = Command::new("ldd").arg("--").arg(program).env("LC_ALL", "C").output().during("execve", "ldd")?;
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.contains("not found") {
            return Err(Error::invalid("library", line.trim(), "one that this machine has"));
        }
        // `name => /path (0x…)` or `/loader (0x…)` or `linux-vdso.so.1 (0x…)`
        let right = line.rsplit("=>").next().unwrap_or(line).trim();
        if let Some((path, _address)) = right.rsplit_once(" (") {
            if path.starts_with('/') {
                found.push(PathBuf::from(path));
            }
        }
    }
    Ok(found)
}

/// Copies `programs` (absolute paths) and every library that they need into `rootfs`, each at its own path.
/// Directories are made; what is there already is replaced. A symbolic link is copied as the file it
/// leads to.
///
/// # Errors
/// As [`libraries`]; and whatever the copying meets, with the path.
pub fn build_rootfs(rootfs: &Path, programs: &[PathBuf]) -> Result<()> {
    let mut wanted: Vec<PathBuf> = programs.to_vec();
    for program in programs {
        wanted.extend(libraries(program)?);
    }
    wanted.sort();
    wanted.dedup();
    for file in &wanted {
        let below: PathBuf = file.components().skip(1).collect();
        let copy = rootfs.join(below);
        let parent = copy.parent().unwrap_or(rootfs);
        fs::create_dir_all(parent).during("mkdir", parent.display())?;
        fs::copy(file, &copy).during("copy", file.display())?;
    }
    Ok(())
}

/// Makes `root` the root directory of the calling process, and its working directory.
///
/// Needs CAP_SYS_CHROOT. Source: chroot(2).
///
/// # Errors
/// ENOENT, ENOTDIR for a `root` that is no directory; EPERM without the capability.
pub fn enter_chroot(root: &Path) -> Result<()> {
    chdir(root).during("chdir", root.display())?;
    chroot(".").during("chroot", root.display())
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
    use std::os::unix::fs::MetadataExt;
    let stop = format!(".stop-{}", std::process::id());
    let tolerate = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    tolerate(fs::create_dir(&stop)).during("mkdir", &stop)?;
    // chroot(2) leaves the working directory where it is: outside of the new root.
    let moved = chroot(&stop).during("chroot", &stop);
    fs::remove_dir(&stop).during("rmdir", &stop)?;
    moved?;
    loop {
        let here = fs::metadata(".").during("stat", ".")?;
        let up = fs::metadata("..").during("stat", "..")?;
        if (here.dev(), here.ino()) == (up.dev(), up.ino()) {
            break;
        }
        chdir("..").during("chdir", "..")?;
    }
    chroot(".").during("chroot", ".")
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
    use nix::fcntl::{OFlag, open};
    let none = None::<&str>;
    let directory = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Slave will do: pivot_root wants no shared parent, and a slave's unmounts go nowhere.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).during("mount", "/")?;
    mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount", root.display())?;
    let old = open("/", directory, nix::sys::stat::Mode::empty()).during("open", "/")?;
    let new = open(root, directory, nix::sys::stat::Mode::empty()).during("open", root.display())?;
    nix::unistd::fchdir(&new).during("fchdir", root.display())?;
    pivot_root(".", ".").during("pivot_root", root.display())?;
    nix::unistd::fchdir(&old).during("fchdir", "the old root")?;
    umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
    chdir("/").during("chdir", "/")
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
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::os::fd::BorrowedFd;
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").during("open", "/proc/self/fd")? {
        let name = entry.during("getdents", "/proc/self/fd")?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()).filter(|fd| *fd > 2));
    }
    for fd in open {
        // SAFETY: only its flag is set, within this statement; the one that the walk itself had is closed by now.
        match fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
            Ok(_) | Err(Errno::EBADF) => {}
            Err(error) => return Err(error).during("fcntl", fd),
        }
    }
    Ok(())
}
