//! Lab 06 with system calls alone; what is missing is made from the root downwards, and every mount of the tree is made
//! read-only on its own.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::{During, Node, Result};
use nix::errno::Errno;

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

/// See the solution.
pub fn open_inside(root: BorrowedFd<'_>, path: &Path, make: Option<Node>) -> Result<OwnedFd> {
    let whole = Path::new("/").join(path);
    let Some(end) = make else { return at(root, &whole).during("openat2", path.display()) };
    let mut prefixes: Vec<&Path> = whole.ancestors().collect();
    prefixes.reverse();
    let mut here = at(root, Path::new("/")).during("openat2", "/")?;
    for prefix in prefixes {
        here = match at(root, prefix) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                let name = prefix.file_name().map(|name| CString::new(name.as_bytes()).unwrap_or_default());
                let Some(name) = name else { return Err(error).during("openat2", path.display()) };
                let node = if prefix == whole { end } else { Node::Directory };
                make_one(&here, &name, node).during("make", prefix.display())?
            }
            opened => opened.during("openat2", prefix.display())?,
        };
    }
    Ok(here)
}

fn make_one(parent: &OwnedFd, name: &CStr, node: Node) -> io::Result<OwnedFd> {
    // SAFETY: a descriptor that is open and a C string; the new descriptors are nobody else's.
    unsafe {
        let made = match node {
            Node::Directory => status(libc::mkdirat(parent.as_raw_fd(), name.as_ptr(), 0o755)),
            Node::File => status(libc::mknodat(parent.as_raw_fd(), name.as_ptr(), libc::S_IFREG | 0o644, 0)),
        };
        match made {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
            _ => {}
        }
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let opened = OwnedFd::from_raw_fd(number(libc::openat(parent.as_raw_fd(), name.as_ptr(), flags).into())?);
        match kind(opened.as_fd())? {
            // Opened itself, since it is not to be followed.
            libc::S_IFLNK => Err(Errno::ELOOP.into()),
            _ => Ok(opened),
        }
    }
}

/// `path` for a process whose / is `root`.
fn at(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all zeroes is a valid open_how.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT;
    let size = size_of_val(&how);
    let mut tries = 100;
    loop {
        tries -= 1;
        // SAFETY: a C string and an open_how of the size given; the new descriptor is nobody else's.
        let opened = unsafe {
            number(libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw mut how, size))
                .map(|fd| OwnedFd::from_raw_fd(fd))
        };
        match opened {
            // A rename came between, anywhere on the machine.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries > 0 => {}
            opened => return opened,
        }
    }
}

/// See the solution.
pub fn bind(source: &Path, target: BorrowedFd<'_>) -> Result<()> {
    let from = CString::new(source.as_os_str().as_bytes()).during("mount", source.display())?;
    mount(Some(&from), target, None, libc::MS_BIND | libc::MS_REC, None).during("mount --rbind", source.display())
}

/// See the solution.
pub fn remount_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: all zeroes is a valid statfs, and the kernel fills it in.
    let options = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        status(libc::fstatvfs(mount_point.as_raw_fd(), &raw mut found)).during("fstatvfs", "the mount point")?;
        found.f_flag
    };
    // These ST_ flags have the numbers of the MS_ flags. Of atime nothing is said: then it stays.
    let same = libc::ST_NOSUID | libc::ST_NODEV | libc::ST_NOEXEC;
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | (options & same);
    mount(None, mount_point, None, flags, None).during("remount", "read-only")
}

/// See the solution.
pub fn set_tree_read_only(mount_point: BorrowedFd<'_>) -> Result<()> {
    let top = fs::read_link(place(mount_point)).during("readlink", "the mount point")?;
    // The topmost one, asked first: a directory where nothing is mounted is refused here.
    remount_read_only(mount_point)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").during("read", "mountinfo")?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    for below in points.filter(|point| point.starts_with(&top) && *point != top) {
        let path = CString::new(below.as_os_str().as_bytes()).unwrap_or_default();
        // SAFETY: a C string; the new descriptor is nobody else's.
        let opened = unsafe {
            let fd = number(libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC).into());
            OwnedFd::from_raw_fd(fd.during("open", below.display())?)
        };
        remount_read_only(opened.as_fd())?;
    }
    Ok(())
}

/// See the solution.
pub fn mount_tmpfs(target: BorrowedFd<'_>, size_bytes: Option<u64>, mode: u32) -> Result<()> {
    let mut data = format!("mode={mode:04o}");
    if let Some(size) = size_bytes {
        data += &format!(",size={size}");
    }
    let data = CString::new(data).unwrap_or_default();
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(Some(c"scratch"), target, Some(c"tmpfs"), flags, Some(&data)).during("mount", "tmpfs")
}

/// See the solution. The umask is set aside for as long as it takes.
pub fn make_devices(dev: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: umask(2) takes a number and cannot fail.
    let before = unsafe { libc::umask(0) };
    let made = make_all(dev);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    made
}

fn make_all(dev: BorrowedFd<'_>) -> Result<()> {
    for (name, target) in LINKS {
        let (link, target) = (CString::new(name).unwrap_or_default(), CString::new(target).unwrap_or_default());
        // SAFETY: two C strings and a descriptor that is open.
        status(unsafe { libc::symlinkat(target.as_ptr(), dev.as_raw_fd(), link.as_ptr()) }).during("symlink", name)?;
    }
    for (name, major, minor) in DEVICES {
        let node = CString::new(name).unwrap_or_default();
        let number = libc::makedev(major as u32, minor as u32);
        // SAFETY: a C string and a descriptor that is open.
        let made = status(unsafe { libc::mknodat(dev.as_raw_fd(), node.as_ptr(), libc::S_IFCHR | 0o666, number) });
        match made {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                bind(&Path::new("/dev").join(name), open_inside(dev, Path::new(name), Some(Node::File))?.as_fd())?;
            }
            made => made.during("mknod", name)?,
        }
    }
    Ok(())
}

/// See the solution.
pub fn mask(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let target = match at(root, &Path::new("/").join(path)) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
        opened => opened.during("openat2", path.display())?,
    };
    if kind(target.as_fd()).during("fstat", path.display())? != libc::S_IFDIR {
        return bind(Path::new("/dev/null"), target.as_fd());
    }
    // Read-only from the start: nothing to be opened a second time.
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(Some(c"mask"), target.as_fd(), Some(c"tmpfs"), flags, Some(c"size=0,mode=755")).during("mask", path.display())
}

fn kind(fd: BorrowedFd<'_>) -> io::Result<libc::mode_t> {
    // SAFETY: all zeroes is a valid stat, and the kernel fills it in.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        status(libc::fstat(fd.as_raw_fd(), &raw mut found))?;
        Ok(found.st_mode & libc::S_IFMT)
    }
}

fn mount(
    source: Option<&CStr>,
    target: BorrowedFd<'_>,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null::<c_char>(), CStr::as_ptr);
    let target = CString::new(place(target).as_os_str().as_bytes())?;
    // SAFETY: C strings that outlive the call, and null where mount(2) takes none.
    status(unsafe { libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, pointer(data).cast()) })
}

fn place(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn number(result: c_long) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as c_int) }
}

fn status(result: c_int) -> io::Result<()> {
    number(result.into()).map(drop)
}
