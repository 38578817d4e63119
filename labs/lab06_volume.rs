//! Lab 06: volumes, and paths that cannot lead out.
//!
//! A volume is a bind mount that is made before the root is switched. Its target lies in a root file system
//! that somebody else wrote: whoever follows a symbolic link there follows it to wherever they please.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
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
    todo!("lab 06, task 1: openat2 with O_PATH and RESOLVE_IN_ROOT; on ENOENT, if asked, open the parent the same way and make the last name in it")
}

/// Makes `source`, with every mount below it, appear at `target` too.
///
/// `target` is a place as [`open_inside`] gives it, a directory for a directory, a file for a file.
/// Source: mount(2), MS_BIND and MS_REC.
///
/// # Errors
/// ENOENT without `source`; ENOTDIR when one is a directory and the other is not; EPERM without CAP_SYS_ADMIN.
pub fn bind(source: &Path, target: BorrowedFd<'_>) -> Result<()> {
    todo!("lab 06, task 2: mount(2) with MS_BIND | MS_REC; the target's path is /proc/self/fd/N")
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
    todo!("lab 06, task 3: read the options with fstatvfs(3); mount(2) with MS_REMOUNT | MS_BIND | MS_RDONLY and those that are off unless named")
}

/// Makes a mount and every mount below it read-only, in one call.
///
/// `mount_point` as for [`remount_read_only`]. Source: mount_setattr(2), Linux 5.12.
///
/// # Errors
/// EINVAL when nothing is mounted there.
pub fn set_tree_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    todo!("lab 06, task 4: mount_setattr(2) with AT_EMPTY_PATH | AT_RECURSIVE and MOUNT_ATTR_RDONLY")
}

/// Mounts an empty tmpfs at `target`, nosuid, nodev and noexec, of at most `size_bytes` (half of the memory
/// without; 0 is no limit at all), its root directory of `mode`.
///
/// Source: tmpfs(5).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL for a size that the kernel cannot hold.
pub fn mount_tmpfs(target: BorrowedFd<'_>, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    todo!("lab 06, task 5: mount(2) with type tmpfs, the three flags, and the data \"mode=…,size=…\", the mode in octal")
}

/// Fills the directory `dev` with [`DEVICES`] and [`LINKS`]. Where the caller may not make device nodes, in a
/// user namespace, the host's own are bound onto empty files. Nodes work unless `dev` is mounted nodev.
///
/// Source: mknod(2), OCI runtime-spec, config-linux.
///
/// # Errors
/// EEXIST when `dev` holds one of the names already.
pub fn make_devices(dev: BorrowedFd<'_>) -> Result<()> {
    todo!("lab 06, task 6: mknod(2) each node and give it mode 0666 whatever the umask; on EPERM bind /dev/NAME; then the links")
}

/// Hides `path` inside `root`: under a file there is the host's `/dev/null`, under a directory an empty
/// read-only tmpfs. What is missing needs no hiding.
///
/// Source: OCI runtime-spec, config-linux, "Masked Paths".
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN.
pub fn mask(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    todo!("lab 06, task 7: open it inside; bind /dev/null over a file, mount a read-only tmpfs over a directory")
}
