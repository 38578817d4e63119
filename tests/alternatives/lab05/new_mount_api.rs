//! Lab 05 with the mount calls of Linux 5.2 and later, a libraries list from ldd read another way, and openat2's cousins.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "open_tree, move_mount, mount_setattr and close_range have no safe wrapper")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

/// See the solution.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let program = fs::canonicalize(program).during("canonicalize", program.display())?;
    let output = Command::new("ldd").arg(&program).output().during("run ldd", program.display())?;
    let mut paths = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines().map(str::trim) {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            [name, "=>", "not", ..] => return Err(Error::invalid("library", *name, "install it")),
            [_, "=>", path, ..] | [path, _] if path.starts_with('/') => drop(paths.insert(PathBuf::from(path))),
            _ => {} // the vdso, which is no file; the words for a static program
        }
    }
    Ok(paths.into_iter().collect())
}

/// See the solution.
pub fn build_rootfs(rootfs: &Path, programs: &[PathBuf]) -> Result<()> {
    programs.iter().try_for_each(|program| {
        libraries(program)?.into_iter().chain([program.clone()]).try_for_each(|file| {
            let copy = PathBuf::from(format!("{}{}", rootfs.display(), file.display()));
            fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
            let text = fs::read(&file).during("read", file.display())?;
            let mode = fs::metadata(&file).during("stat", file.display())?.permissions();
            fs::write(&copy, text).during("write", copy.display())?;
            fs::set_permissions(&copy, mode).during("chmod", copy.display())
        })
    })
}

/// See the solution.
pub fn enter_chroot(root: &Path) -> Result<()> {
    let directory = open(root, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).during("open", root.display())?;
    fchdir(&directory).during("fchdir", root.display())?;
    chroot(".").during("chroot", root.display())
}

/// See the solution.
pub fn escape_chroot() -> Result<()> {
    let kept = open("/", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).during("open", "/")?;
    fs::create_dir_all("/going-down").during("mkdir", "/going-down")?;
    chroot("/going-down").during("chroot", "/going-down")?;
    fchdir(&kept).during("fchdir", "the kept root")?;
    chdir(&*"../".repeat(200)).during("chdir", "../../..")?;
    chroot(".").during("chroot", ".")?;
    chdir("/").during("chdir", "/")
}

/// See the solution.
pub fn enter_pivot_root(root: &Path) -> Result<()> {
    const RECURSIVE: i32 = libc::AT_RECURSIVE;
    let mut private = libc::mount_attr { attr_set: 0, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    // SAFETY: a C string and a mount_attr of the size given, both alive during the call.
    let status = unsafe {
        let size = size_of::<libc::mount_attr>();
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, c"/".as_ptr(), RECURSIVE, &raw mut private, size)
    };
    Errno::result(status).during("mount_setattr", "/ private")?;

    let flags = libc::OPEN_TREE_CLONE as i32 | libc::OPEN_TREE_CLOEXEC as i32 | RECURSIVE;
    let place = open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .during("open", root.display())?;
    let empty = c"".as_ptr();
    // SAFETY: a descriptor, an empty C string, and flags; the new descriptor is nobody else's.
    let tree = unsafe {
        let fd = libc::syscall(libc::SYS_open_tree, place.as_raw_fd(), empty, flags | libc::AT_EMPTY_PATH);
        OwnedFd::from_raw_fd(Errno::result(fd).during("open_tree", root.display())? as i32)
    };
    const FROM_FD: libc::c_uint = 0x4; // MOVE_MOUNT_F_EMPTY_PATH
    const TO_FD: libc::c_uint = 0x40; // MOVE_MOUNT_T_EMPTY_PATH
    // SAFETY: two descriptors that are open, and two C strings.
    let status = unsafe {
        let (from, to) = (tree.as_raw_fd(), place.as_raw_fd());
        libc::syscall(libc::SYS_move_mount, from, empty, to, empty, FROM_FD | TO_FD)
    };
    Errno::result(status).during("move_mount", root.display())?;

    fchdir(&tree).during("fchdir", "the new mount")?;
    pivot_root(".", ".").during("pivot_root", root.display())?;
    nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH).during("umount2", "the old root")?;
    chdir("/").during("chdir", "/")
}

/// See the solution.
pub fn seal_fds() -> Result<()> {
    // SAFETY: three integers; nothing is closed.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).during("close_range", "3.."),
    }
}
