//! Lab 06 with the mount calls of Linux 5.2 and 5.12: open_tree, fsopen, fsmount, move_mount, mount_setattr. Each takes
//! the target as a descriptor, so no path of /proc is needed; devices are always the host's, bound.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "the calls have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use model::{During, Node, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::symlinkat;

const NOSUID_NODEV_NOEXEC: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
/// Source: linux/mount.h.
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const FROM_FD: u32 = 0x4; // MOVE_MOUNT_F_EMPTY_PATH
const TO_FD: u32 = 0x40; // MOVE_MOUNT_T_EMPTY_PATH

/// See the solution.
pub const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// See the solution.
pub const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// See the solution. Once round for each name that is missing.
pub fn open_inside(root: BorrowedFd<'_>, path: &Path, make: Option<Node>) -> Result<OwnedFd> {
    let path: PathBuf = Path::new("/").join(path);
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let mut last = None;
    loop {
        // The nearest that is there. EAGAIN: a rename came between, anywhere on the machine; ask again.
        let asked = |prefix| (0..100).map(|_| openat2(root, prefix, how)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
        let found = path.ancestors().map(|prefix| (prefix, asked(prefix).unwrap_or(Err(Errno::EAGAIN))));
        let found = found.into_iter().find(|(_, opened)| !matches!(opened, Err(Errno::ENOENT)));
        let Some((there, opened)) = found else { return Err(Errno::ENOENT).during("openat2", path.display()) };
        let parent = opened.during("openat2", there.display())?;
        if there == path {
            return Ok(parent);
        }
        let missing = path.ancestors().take_while(|prefix| *prefix != there).last().unwrap_or(&path).to_owned();
        // Made already, and yet not to be found: a link to nothing.
        let node = make.filter(|_| last.as_ref() != Some(&missing)).ok_or(Errno::ENOENT);
        let node = node.during("openat2", path.display())?;
        let name = missing.file_name().ok_or(Errno::ENOENT).during("openat2", path.display())?;
        let made = match node {
            Node::File if missing == path => {
                let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
                openat(&parent, name, new, Mode::from_bits_retain(0o644)).map(drop)
            }
            _ => mkdirat(&parent, name, Mode::from_bits_retain(0o755)),
        };
        match made {
            Ok(()) | Err(Errno::EEXIST) => last = Some(missing),
            Err(errno) => return Err(errno).during("make", missing.display()),
        }
    }
}

/// See the solution.
pub fn bind(source: &Path, target: BorrowedFd<'_>) -> Result<()> {
    let path = CString::new(source.as_os_str().as_bytes()).during("open_tree", source.display())?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
    // SAFETY: a C string and flags; the new descriptor is nobody else's.
    let tree = unsafe { owned(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)) };
    attach(&tree.during("open_tree", source.display())?, target)
}

/// See the solution.
pub fn remount_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    set(mount_point, 0)
}

/// See the solution.
pub fn set_tree_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    set(mount_point, libc::AT_RECURSIVE)
}

/// See the solution.
pub fn mount_tmpfs(target: BorrowedFd<'_>, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    attach(&tmpfs(size_bytes, mode, NOSUID_NODEV_NOEXEC)?, target)
}

/// See the solution.
pub fn make_devices(dev: BorrowedFd<'_>) -> Result<()> {
    for (name, ..) in DEVICES {
        let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        openat(dev, name, new, Mode::S_IRUSR).during("open", name)?;
        bind(&Path::new("/dev").join(name), open_inside(dev, Path::new(name), None)?.as_fd())?;
    }
    LINKS.iter().try_for_each(|(name, target)| symlinkat(*target, dev, *name).during("symlink", name))
}

/// See the solution.
pub fn mask(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let target = match open_inside(root, path, None) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
        target => target?,
    };
    let mode = fstat(&target).during("fstat", path.display())?.st_mode;
    match mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() {
        true => attach(&tmpfs(None, 0o755, NOSUID_NODEV_NOEXEC | libc::MOUNT_ATTR_RDONLY)?, target.as_fd()),
        false => bind(Path::new("/dev/null"), target.as_fd()),
    }
}

/// A tmpfs that is mounted nowhere yet.
fn tmpfs(size_bytes: Option<u64>, mode: u32, attributes: u64) -> Result<OwnedFd> {
    // SAFETY: a C string and flags; the new descriptor is nobody else's.
    let context = unsafe { owned(libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 1)) }.during("fsopen", "tmpfs")?;
    let configure = |command: u32, key: Option<&CStr>, value: Option<&CStr>| {
        let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: C strings that outlive the call, or null where the command takes none.
        let status = unsafe {
            libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, pointer(key), pointer(value), 0)
        };
        Errno::result(status).map(drop).during("fsconfig", "tmpfs")
    };
    let text = |text: String| CString::new(text).unwrap_or_default();
    configure(FSCONFIG_SET_STRING, Some(c"mode"), Some(&text(format!("{mode:o}"))))?;
    if let Some(size) = size_bytes {
        configure(FSCONFIG_SET_STRING, Some(c"size"), Some(&text(size.to_string())))?;
    }
    configure(FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: integers only; the new descriptor is nobody else's.
    unsafe { owned(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, attributes)) }.during("fsmount", "tmpfs")
}

fn attach(mount: &OwnedFd, target: BorrowedFd<'_>) -> Result<()> {
    let (from, to, empty) = (mount.as_raw_fd(), target.as_raw_fd(), c"".as_ptr());
    // A device of the image may be asked for by mistake: to stat the target first makes the error a clear one.
    fstatat(target, "", AtFlags::AT_EMPTY_PATH).during("fstat", "the target")?;
    // SAFETY: two descriptors that are open, and two C strings.
    let status = unsafe { libc::syscall(libc::SYS_move_mount, from, empty, to, empty, FROM_FD | TO_FD) };
    Errno::result(status).map(drop).during("move_mount", to)
}

fn set(mount_point: BorrowedFd<'_>, flags: i32) -> Result<()> {
    let attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let (fd, size, flags) = (mount_point.as_raw_fd(), size_of_val(&attr), flags | libc::AT_EMPTY_PATH);
    // SAFETY: an empty C string and a mount_attr of the size given; both outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size) };
    Errno::result(status).map(drop).during("mount_setattr", fd)
}

/// # Safety
/// `result` is that of a call that returns a new descriptor, or -1.
unsafe fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = i32::try_from(Errno::result(result)?).expect("a descriptor");
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
