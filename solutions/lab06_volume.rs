//! Lab 06: volumes, and paths that cannot lead out.
//!
//! A volume is a bind mount that is made before the root is switched. Its target lies in a root file system
//! that somebody else wrote: whoever follows a symbolic link there follows it to wherever they please.

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use model::tree::place;
use model::{During, Node, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, fstat, makedev, mkdirat, mknod};
use nix::sys::statvfs::{FsFlags, fstatvfs};

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
/// With `make`, what is missing is made: directories (mode 0755, less the umask) on the way, and at its end a
/// directory or an empty file. What is there stays as it is. Source: openat2(2), RESOLVE_IN_ROOT (Linux 5.6).
///
/// # Errors
/// ENOENT when it is missing and not to be made; ELOOP for links in a circle; ENOTDIR when a part on the way is
/// a file. Where a symbolic link leads to nothing, nothing is made: an error too. On EAGAIN the
/// kernel is asked again, though not for ever.
pub fn open_inside(root: BorrowedFd<'_>, path: &Path, make: Option<Node>) -> Result<OwnedFd> {
    // task 1: openat2 with O_PATH and RESOLVE_IN_ROOT; on ENOENT, if asked, open the parent the same way and make the last name in it
    // nothing: root.try_clone_to_owned().during("dup", "the root")
    // Under a root both spellings mean the same, and an absolute path has a parent, unless it is the root.
    let path = &Path::new("/").join(path);
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
    let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    // EAGAIN: something was renamed while the kernel took a `..`, so it cannot tell where that led. Not for ever,
    // since somebody may rename on purpose.
    let opened = (0..100).map(|_| openat2(root, path, inside)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
    let (node, parent, name) = match (opened.unwrap_or(Err(Errno::EAGAIN)), make, path.parent(), path.file_name()) {
        (Err(Errno::ENOENT), Some(node), Some(parent), Some(name)) => (node, parent, name),
        (opened, ..) => return opened.during("openat2", path.display()),
    };
    let parent = open_inside(root, parent, Some(Node::Directory))?;
    // One name, made in a directory that we hold: whatever is swapped meanwhile, this stays where it is.
    let made = match node {
        Node::Directory => mkdirat(&parent, name, Mode::from_bits_retain(0o755)),
        Node::File => {
            let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            openat(&parent, name, new, Mode::from_bits_retain(0o644)).map(drop)
        }
    };
    match made {
        // Somebody was faster, which is as good. A link that leads to nothing is here too: not to be followed.
        Ok(()) | Err(Errno::EEXIST) => openat2(&parent, name, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS)),
        Err(errno) => Err(errno),
    }
    .during("make", path.display())
    // end task
}

/// Makes `source`, with every mount below it, appear at `target` too.
///
/// `target` is a place as [`open_inside`] gives it, a directory for a directory, a file for a file.
/// Source: mount(2), MS_BIND and MS_REC.
///
/// # Errors
/// ENOENT without `source`; ENOTDIR when one is a directory and the other is not; EPERM without CAP_SYS_ADMIN.
pub fn bind(source: &Path, target: BorrowedFd<'_>) -> Result<()> {
    // task 2: mount(2) with MS_BIND | MS_REC; the target's path is /proc/self/fd/N
    let none = None::<&str>;
    mount(Some(source), &place(target), none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .during("mount --rbind", source.display())
    // end task
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
    // task 3: read the options with fstatvfs(3); mount(2) with MS_REMOUNT | MS_BIND | MS_RDONLY and those that are off unless named
    let path = place(mount_point);
    let options = fstatvfs(mount_point).during("fstatvfs", path.display())?.flags();
    // Not the kind of atime: where none is named, the kernel keeps it, and what is named may bring relatime along.
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    ];
    let kept = kept.into_iter().filter(|(option, _)| options.contains(*option)).map(|(_, flag)| flag);
    // MS_BIND makes it this mount's option; without, it would be the whole file system's, on the host too.
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept.collect::<MsFlags>();
    mount(None::<&str>, &path, None::<&str>, flags, None::<&str>).during("remount", path.display())
    // end task
}

/// Makes a mount and every mount below it read-only, in one call.
///
/// `mount_point` as for [`remount_read_only`]. Source: mount_setattr(2), Linux 5.12.
///
/// # Errors
/// EINVAL when nothing is mounted there.
pub fn set_tree_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    // task 4: mount_setattr(2) with AT_EMPTY_PATH | AT_RECURSIVE and MOUNT_ATTR_RDONLY
    let attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: an empty C string and a mount_attr of the size given; both outlive the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount_point.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(status).map(drop).during("mount_setattr", place(mount_point).display())
    // end task
}

/// Mounts an empty tmpfs at `target`, nosuid, nodev and noexec, of at most `size_bytes` (half of the memory
/// without; 0 is no limit at all), its root directory of `mode`.
///
/// Source: tmpfs(5).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL for a size that the kernel cannot hold.
pub fn mount_tmpfs(target: BorrowedFd<'_>, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    // task 5: mount(2) with type tmpfs, the three flags, and the data "mode=…,size=…", the mode in octal
    let size = size_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(format!("mode={mode:o}{size}").as_str()))
        .during("mount tmpfs on", place(target).display())
    // end task
}

/// Fills the directory `dev` with [`DEVICES`] and [`LINKS`]. Where the caller may not make device nodes, in a
/// user namespace, the host's own are bound onto empty files. Nodes work unless `dev` is mounted nodev.
///
/// Source: mknod(2), OCI runtime-spec, config-linux.
///
/// # Errors
/// EEXIST when `dev` holds one of the names already.
pub fn make_devices(dev: BorrowedFd<'_>) -> Result<()> {
    // task 6: mknod(2) each node and give it mode 0666 whatever the umask; on EPERM bind /dev/NAME; then the links
    for (name, major, minor) in DEVICES {
        let node = place(dev).join(name);
        match mknod(&node, SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(major, minor)) {
            Ok(()) => {
                let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
                fs::set_permissions(&node, everyone).during("chmod", name)?;
            }
            Err(Errno::EPERM) => {
                let file = open_inside(dev, Path::new(name), Some(Node::File))?;
                bind(&Path::new("/dev").join(name), file.as_fd())?;
            }
            Err(errno) => return Err(errno).during("mknod", name),
        }
    }
    LINKS.iter().try_for_each(|(name, target)| symlink(target, place(dev).join(name)).during("symlink", name))
    // end task
}

/// Hides `path` inside `root`: under a file there is the host's `/dev/null`, under a directory an empty
/// read-only tmpfs. What is missing needs no hiding.
///
/// Source: OCI runtime-spec, config-linux, "Masked Paths".
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN.
pub fn mask(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    // task 7: open it inside; bind /dev/null over a file, mount a read-only tmpfs over a directory
    let target = match open_inside(root, path, None) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
        target => target?,
    };
    let mode = fstat(&target).during("fstat", path.display())?.st_mode;
    // Compared, not tested bit by bit: a socket's type has the directory's bit in it.
    if mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits() {
        return bind(Path::new("/dev/null"), target.as_fd());
    }
    mount_tmpfs(target.as_fd(), None, 0o755)?;
    // Opened anew: the descriptor from before names the directory under the tmpfs.
    remount_read_only(open_inside(root, path, None)?.as_fd())
    // end task
}
