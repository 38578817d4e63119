//! Lab 06 without openat2: the path is walked name by name, every directory on the way held open, every link read and
//! walked in its turn. As runtimes did before Linux 5.6.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "mount_setattr has no safe wrapper")]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use model::{During, Node, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, makedev, mkdirat, mknodat};
use nix::unistd::symlinkat;

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

/// What the walk still has to do.
enum Step {
    Root,
    Up,
    /// A name; whether it stood in a link.
    Name(OsString, bool),
}

/// See the solution.
pub fn open_inside(root: BorrowedFd<'_>, path: &Path, make: Option<Node>) -> Result<OwnedFd> {
    const PATH: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
    let walk = || -> nix::Result<OwnedFd> {
        let own_root = || openat(root, ".", PATH | OFlag::O_DIRECTORY, Mode::empty());
        // The directories from the root down to here: `..` takes the last one away, and never the first.
        let mut way = vec![own_root()?];
        let mut ahead: VecDeque<Step> = steps(path, false).collect();
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            let here = way.last().ok_or(Errno::ENOENT)?;
            match step {
                Step::Root => way = vec![own_root()?],
                Step::Up if kind(here)? != SFlag::S_IFDIR => return Err(Errno::ENOTDIR),
                Step::Up => way.truncate(1.max(way.len() - 1)),
                Step::Name(name, of_link) => {
                    let node = if ahead.is_empty() { make } else { make.and(Some(Node::Directory)) };
                    let next = match (openat(here, name.as_os_str(), PATH, Mode::empty()), node) {
                        (Err(Errno::ENOENT), Some(node)) if !of_link => {
                            let kind = if node == Node::Directory { SFlag::S_IFDIR } else { SFlag::S_IFREG };
                            let made = match kind {
                                SFlag::S_IFDIR => mkdirat(here, name.as_os_str(), Mode::from_bits_retain(0o755)),
                                kind => mknodat(here, name.as_os_str(), kind, Mode::from_bits_retain(0o644), 0),
                            };
                            made.or_else(|errno| if errno == Errno::EEXIST { Ok(()) } else { Err(errno) })?;
                            openat(here, name.as_os_str(), PATH, Mode::empty())?
                        }
                        (next, _) => next?,
                    };
                    if kind(&next)? == SFlag::S_IFLNK {
                        links += 1;
                        if links > 40 {
                            return Err(Errno::ELOOP);
                        }
                        let target = readlinkat(&next, "")?;
                        let inserted: Vec<Step> = steps(Path::new(&target), true).collect();
                        inserted.into_iter().rev().for_each(|step| ahead.push_front(step));
                    } else {
                        way.push(next);
                    }
                }
            }
        }
        way.pop().ok_or(Errno::ENOENT)
    };
    walk().during("open", path.display())
}

fn steps(path: &Path, of_link: bool) -> impl Iterator<Item = Step> + '_ {
    path.components().filter_map(move |part| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Name(name.to_owned(), of_link)),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

fn kind(fd: &OwnedFd) -> nix::Result<SFlag> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT)
}

/// See the solution.
pub fn bind(source: &Path, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_BIND;
    mount(Some(source), &place(target), None::<&str>, flags, None::<&str>).during("bind", source.display())
}

/// See the solution.
pub fn remount_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    let attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    set(mount_point, libc::AT_EMPTY_PATH, &attr)
}

/// See the solution.
pub fn set_tree_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    let attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    set(mount_point, libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, &attr)
}

fn set(mount_point: BorrowedFd<'_>, flags: i32, attr: &libc::mount_attr) -> Result<()> {
    // SAFETY: an empty C string and a mount_attr of the size given; both outlive the call.
    let status = unsafe {
        let (fd, size) = (mount_point.as_raw_fd(), size_of::<libc::mount_attr>());
        libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, std::ptr::from_ref(attr), size)
    };
    Errno::result(status).map(drop).during("mount_setattr", "read-only")
}

/// See the solution.
pub fn mount_tmpfs(target: BorrowedFd<'_>, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    let size = size_bytes.map_or_else(String::new, |bytes| format!("size={bytes},"));
    let data = format!("{size}mode={mode:o}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount", "tmpfs")
}

/// See the solution. The first device tells whether devices can be made at all.
pub fn make_devices(dev: BorrowedFd<'_>) -> Result<()> {
    LINKS.iter().try_for_each(|(name, target)| symlinkat(*target, dev, *name).during("symlink", name))?;
    let mut may_make = true;
    for (name, major, minor) in DEVICES {
        if may_make {
            match mknodat(dev, name, SFlag::S_IFCHR, Mode::empty(), makedev(major, minor)) {
                Err(Errno::EPERM) => may_make = false,
                made => {
                    made.during("mknod", name)?;
                    let everyone = Mode::from_bits_retain(0o666);
                    fchmodat(dev, name, everyone, FchmodatFlags::FollowSymlink).during("chmod", name)?;
                }
            }
        }
        if !may_make {
            let host = PathBuf::from(format!("/dev/{name}"));
            bind(&host, open_inside(dev, Path::new(name), Some(Node::File))?.as_fd())?;
        }
    }
    Ok(())
}

/// See the solution.
pub fn mask(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    match open_inside(root, path, None) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
        Ok(target) if kind(&target).during("fstat", path.display())? == SFlag::S_IFDIR => {
            mount_tmpfs(target.as_fd(), Some(4096), 0o555)?;
            set_tree_read_only(open_inside(root, path, None)?.as_fd())
        }
        Ok(target) => bind(Path::new("/dev/null"), target.as_fd()),
    }
}

fn place(fd: BorrowedFd<'_>) -> PathBuf {
    Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string())
}
