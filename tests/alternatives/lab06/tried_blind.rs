//! Lab 06 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::{During, Node, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, makedev, mkdirat, mknodat};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::symlinkat;

/// The nodes that a container's `/dev` holds: name, major, minor; each a character device, mode 0666.
/// Source: OCI runtime-spec, config-linux, "Default Devices".
pub const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The symbolic links of a container's `/dev`: name, target. Source: OCI runtime-spec, config-linux, "Dev symbolic links".
pub const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Opens `path` as a process would that has `root` for its `/`: `..` and symbolic links, absolute ones too,
/// stay inside. The descriptor names the place and nothing more (O_PATH).
///
/// With `make`, what is missing is made: directories (mode 0755) on the way, and at its end a directory or
/// an empty file. What is there stays as it is. Source: openat2(2), RESOLVE_IN_ROOT (Linux 5.6).
///
/// # Errors
/// ENOENT when it is missing and not to be made; ELOOP for links in a circle; ENOTDIR when a part on the way is
/// a file. Where a symbolic link leads to nothing, nothing is made: an error too.
pub fn open_inside(root: BorrowedFd<'_>, path: &Path, make: Option<Node>) -> Result<OwnedFd> {
    // From the root, as a container would write it; an empty path would be ENOENT.
    let whole = Path::new("/").join(path);
    let make = match (resolve(root, &whole), make) {
        (Err(Errno::ENOENT), Some(make)) => make,
        (found, _) => return found.during("open", path.display()),
    };
    // From the front, part by part. Each beginning of the path is resolved from the root anew, so that a `..` or a link
    // in it cannot lead out; what is made, is made as one name in the directory that is held open then.
    let parts: Vec<_> = whole.components().skip(1).collect();
    let mut so_far = PathBuf::from("/");
    let mut here = resolve(root, &so_far).during("open", path.display())?;
    for (index, part) in parts.iter().enumerate() {
        let node = if index + 1 == parts.len() { make } else { Node::Directory };
        so_far.push(part);
        here = match resolve(root, &so_far) {
            Err(Errno::ENOENT) => make_one(here.as_fd(), Path::new(part), node),
            found => found,
        }
        .during("open", so_far.display())?;
    }
    Ok(here)
}

/// The place of `path` below `root`, however often somebody renames meanwhile.
fn resolve(root: BorrowedFd<'_>, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    loop {
        match openat2(root, path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Makes `name` in `parent` and opens it. A name that somebody else has made by now will do, a link will not.
fn make_one(parent: BorrowedFd<'_>, name: &Path, node: Node) -> nix::Result<OwnedFd> {
    let made = match node {
        Node::Directory => mkdirat(parent, name, Mode::from_bits_retain(0o755)),
        Node::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            openat(parent, name, flags, Mode::from_bits_retain(0o644)).map(drop)
        }
    };
    match made {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
    openat2(parent, name, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH))
}

/// Makes `source`, with every mount below it, appear at `target` too.
///
/// `target` is a place as [`open_inside`] gives it, a directory for a directory, a file for a file.
/// Source: mount(2), MS_BIND and MS_REC.
///
/// # Errors
/// ENOENT without `source`; ENOTDIR when one is a directory and the other is not; EPERM without CAP_SYS_ADMIN.
pub fn bind(source: &Path, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source), &place(target), NOTHING, flags, NOTHING).during("mount --rbind", source.display())
}

/// Makes one mount read-only, and keeps its other options. Mounts below it stay as they are.
///
/// `mount_point` was opened after the mount was made: a descriptor from before names what lies under it.
/// Source: mount(2), "Remounting an existing mount"; mount_namespaces(7), "Restrictions", for what is locked.
///
/// # Errors
/// EINVAL when nothing is mounted there; EPERM in a user namespace, when an option is left out that the
/// outer one has locked.
pub fn remount_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    let now = fstatvfs(mount_point).during("fstatvfs", place(mount_point).display())?.flags();
    // The kinds of atime are not in this list: mount(2) keeps them when none of them is given.
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    ];
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    for (is, stays) in kept {
        flags.set(stays, now.contains(is));
    }
    mount(NOTHING, &place(mount_point), NOTHING, flags, NOTHING).during("mount -o remount,bind,ro", "a mount")
}

/// Makes a mount and every mount below it read-only, in one call.
///
/// `mount_point` as for [`remount_read_only`]. Source: mount_setattr(2), Linux 5.12.
///
/// # Errors
/// EINVAL when nothing is mounted there.
pub fn set_tree_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    let attributes = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is a string that ends in NUL, the struct is whole and its size is given; both outlive the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount_point.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    Errno::result(status).map(drop).during("mount_setattr", "MOUNT_ATTR_RDONLY")
}

/// Mounts an empty tmpfs at `target`, nosuid, nodev and noexec, of at most `size_bytes` (half of the memory
/// without; 0 is no limit at all), its root directory of `mode`.
///
/// Source: tmpfs(5).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL for a size that the kernel cannot hold.
pub fn mount_tmpfs(target: BorrowedFd<'_>, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    tmpfs(target, MsFlags::empty(), size_bytes, mode)
}

/// What most arguments of mount(2) are.
const NOTHING: Option<&str> = None;

fn tmpfs(target: BorrowedFd<'_>, more: MsFlags, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    let mut data = format!("mode={mode:o}");
    if let Some(bytes) = size_bytes {
        data += &format!(",size={bytes}");
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | more;
    mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount -t tmpfs", &data)
}

/// Fills the directory `dev` with [`DEVICES`] and [`LINKS`]. Where the caller may not make device nodes, in a
/// user namespace, the host's own are bound onto empty files. Nodes work unless `dev` is mounted nodev.
///
/// Source: mknod(2), OCI runtime-spec, config-linux.
///
/// # Errors
/// EEXIST when `dev` is not empty.
pub fn make_devices(dev: BorrowedFd<'_>) -> Result<()> {
    let all = Mode::from_bits_retain(0o666);
    for (name, major, minor) in DEVICES {
        match mknodat(dev, name, SFlag::S_IFCHR, all, makedev(major, minor)) {
            Ok(()) => fchmodat(dev, name, all, FchmodatFlags::FollowSymlink).during("chmod", name)?,
            Err(Errno::EPERM) => {
                let file = open_inside(dev, Path::new(name), Some(Node::File))?;
                bind(&Path::new("/dev").join(name), file.as_fd())?;
            }
            Err(errno) => return Err(errno).during("mknod", name),
        }
    }
    LINKS.iter().try_for_each(|(name, target)| symlinkat(*target, dev, *name).during("symlink", name))
}

/// Hides `path` inside `root`: under a file there is the host's `/dev/null`, under a directory an empty
/// read-only tmpfs. What is missing needs no hiding.
///
/// Source: OCI runtime-spec, config-linux, "Masked Paths".
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN.
pub fn mask(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let target = match open_inside(root, path, None) {
        // A part on the way that is a file: then there is nothing behind it.
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR)) => return Ok(()),
        found => found?,
    };
    let kind = SFlag::from_bits_truncate(fstat(&target).during("fstat", path.display())?.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFDIR {
        // Read-only from the start: no second look for the place, which may be another by then.
        tmpfs(target.as_fd(), MsFlags::MS_RDONLY, None, 0o755)
    } else {
        bind(Path::new("/dev/null"), target.as_fd())
    }
}

/// The path by which a system call without a descriptor argument reaches what `fd` names.
fn place(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}
