//! Lab 12 with system calls alone: names by getdents64(2), nodes by mknod(2) and a path, copies by read(2) and write(2); the
//! layers are looked at from below, and the one that hides the others last.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use model::layer::{Change, ChangeKind, Entry, Mark, Marks, Overlay};
use model::{During, Error, Result};

/// See the solution.
pub const OPTIONS_MAX_BYTES: usize = 4095;

/// See the solution.
#[must_use]
pub fn options(overlay: &Overlay) -> OsString {
    let mut text = match overlay.marks {
        Marks::User => b"userxattr".to_vec(),
        Marks::Trusted => b"metacopy=off,redirect_dir=off".to_vec(),
    };
    let mut add = |before: &[u8], path: &Path| {
        text.extend(before);
        for byte in path.as_os_str().as_bytes() {
            if matches!(byte, b'\\' | b',' | b':') {
                text.push(b'\\');
            }
            text.push(*byte);
        }
    };
    add(b",workdir=", &overlay.work);
    add(b",upperdir=", &overlay.upper);
    for (n, lower) in overlay.lowers.iter().enumerate() {
        add(if n == 0 { b",lowerdir=" } else { b":" }, lower);
    }
    OsString::from_vec(text)
}

/// See the solution.
pub fn mount_overlay(overlay: &Overlay, target: &Path) -> Result<()> {
    let (mut data, mut open) = (options(overlay), Vec::new());
    if data.len() > OPTIONS_MAX_BYTES {
        for lower in &overlay.lowers {
            open.push(
                open_at(libc::AT_FDCWD, &text(lower), libc::O_PATH | libc::O_DIRECTORY)
                    .during("open", lower.display())?,
            );
        }
        let lowers = open.iter().map(|fd: &OwnedFd| place(fd.as_raw_fd())).collect();
        data = options(&Overlay { lowers, ..overlay.clone() });
    }
    if data.len() > OPTIONS_MAX_BYTES {
        return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), "fewer"));
    }
    let (kind, target_text, data) = (c"overlay", text(target), text(Path::new(&data)));
    // SAFETY: C strings that outlive the call.
    let status = unsafe { libc::mount(kind.as_ptr(), target_text.as_ptr(), kind.as_ptr(), 0, data.as_ptr().cast()) };
    checked(status).during("mount", target.display())?;
    drop(open);
    Ok(())
}

/// See the solution.
pub fn make_mark(directory: BorrowedFd<'_>, mark: Mark<'_>, marks: Marks) -> Result<()> {
    let path = place(directory.as_raw_fd());
    match mark {
        Mark::Whiteout(name) => {
            let path = text(&path.join(name));
            // SAFETY: a C string.
            checked(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(0, 0)) })
                .during("mknod", name.display())
        }
        Mark::Opaque => {
            let (path, name) = (text(&path), text(Path::new(marks.opaque())));
            // SAFETY: C strings, and a value of one byte.
            checked(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), b"y".as_ptr().cast(), 1, 0) })
                .during("setxattr", marks.opaque().display())
        }
    }
}

/// See the solution.
pub fn entry(directory: BorrowedFd<'_>, name: &OsStr, marks: Marks) -> Result<Entry> {
    let name_text = text(Path::new(name));
    let fd = match open_at(directory.as_raw_fd(), &name_text, libc::O_PATH | libc::O_NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Entry::Missing),
        fd => fd.during("openat", name.display())?,
    };
    let stat = stat(&fd).during("fstat", name.display())?;
    Ok(match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => Entry::Directory { opaque: is_opaque(&fd, marks).during("getxattr", name.display())?, fd },
        libc::S_IFCHR if stat.st_rdev == libc::makedev(0, 0) => Entry::Whiteout,
        _ => Entry::File(fd),
    })
}

/// See the solution.
pub fn lookup(layers: &[OwnedFd], name: &OsStr, marks: Marks) -> Result<Vec<OwnedFd>> {
    let mut found: Vec<OwnedFd> = Vec::new();
    let mut is_file = false;
    for layer in layers.iter().rev() {
        match entry(layer.as_fd(), name, marks)? {
            Entry::Missing => {}
            Entry::Whiteout => found.clear(),
            Entry::File(fd) => {
                found = vec![fd];
                is_file = true;
            }
            Entry::Directory { fd, opaque } => {
                if opaque || is_file {
                    found.clear();
                }
                is_file = false;
                found.insert(0, fd);
            }
        }
    }
    Ok(found)
}

/// See the solution.
pub fn changes(overlay: &Overlay) -> Result<Vec<Change>> {
    let open = |path: &PathBuf| {
        open_at(libc::AT_FDCWD, &text(path), libc::O_PATH | libc::O_DIRECTORY).during("open", path.display())
    };
    let lowers = overlay.lowers.iter().map(open).collect::<Result<Vec<_>>>()?;
    let upper = open(&overlay.upper)?;
    let mut changes = Vec::new();
    compare((&upper, false), &lowers, Path::new("/"), overlay.marks, &mut changes)?;
    changes.sort();
    Ok(changes)
}

/// By all the names that there are, above or below.
fn compare(
    (upper, opaque): (&OwnedFd, bool),
    lowers: &[OwnedFd],
    path: &Path,
    marks: Marks,
    changes: &mut Vec<Change>,
) -> Result<()> {
    let mut all = BTreeSet::new();
    for layer in [upper].into_iter().chain(lowers) {
        all.extend(names(layer).during("getdents64", path.display())?);
    }
    for name in all {
        let path = path.join(&name);
        let below = lookup(lowers, &name, marks)?;
        let old = below.first().map(stat).transpose().during("fstat", path.display())?;
        let (fd, here) = match entry(upper.as_fd(), &name, marks)? {
            Entry::Missing if !opaque => continue,
            Entry::Missing | Entry::Whiteout => {
                if old.is_some() {
                    changes.push(Change::new(ChangeKind::Deleted, &path));
                }
                continue;
            }
            Entry::File(fd) => (fd, None),
            Entry::Directory { fd, opaque: own } => (fd, Some(own || opaque)),
        };
        let before = changes.len();
        if let Some(opaque) = here {
            let was_directory = old.is_some_and(|old| old.st_mode & libc::S_IFMT == libc::S_IFDIR);
            compare((&fd, opaque), if was_directory { &below } else { &[] }, &path, marks, changes)?;
        }
        let new = stat(&fd).during("fstat", path.display())?;
        let same = |old: libc::stat| {
            here.is_some()
                && changes.len() == before
                && (old.st_mode, old.st_uid, old.st_gid) == (new.st_mode, new.st_uid, new.st_gid)
                && (old.st_mtime, old.st_mtime_nsec) == (new.st_mtime, new.st_mtime_nsec)
        };
        match old {
            None => changes.push(Change::new(ChangeKind::Added, &path)),
            Some(old) if same(old) => {}
            Some(_) => changes.push(Change::new(ChangeKind::Changed, &path)),
        }
    }
    Ok(())
}

/// See the solution.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    copy_content(from, to, &mut Vec::new())?;
    let original = lstat(from).during("lstat", from.display())?;
    take_after(from, &original, to).during("copy", from.display())
}

fn copy_content(from: &Path, to: &Path, copies: &mut Vec<(u64, u64, PathBuf)>) -> Result<()> {
    let directory =
        open_at(libc::AT_FDCWD, &text(from), libc::O_RDONLY | libc::O_DIRECTORY).during("open", from.display())?;
    for name in names(&directory).during("getdents64", from.display())? {
        copy_one(&from.join(&name), &to.join(&name), copies)?;
    }
    Ok(())
}

fn copy_one(from: &Path, to: &Path, copies: &mut Vec<(u64, u64, PathBuf)>) -> Result<()> {
    let original = lstat(from).during("lstat", from.display())?;
    let (old, new, kind) = (text(from), text(to), original.st_mode & libc::S_IFMT);
    if kind != libc::S_IFDIR {
        if let Some((.., copy)) = copies.iter().find(|(dev, ino, _)| (*dev, *ino) == (original.st_dev, original.st_ino))
        {
            let copy = text(copy);
            // SAFETY: C strings; without AT_SYMLINK_FOLLOW a link is linked to itself.
            let status = unsafe { libc::linkat(libc::AT_FDCWD, copy.as_ptr(), libc::AT_FDCWD, new.as_ptr(), 0) };
            return checked(status).during("linkat", to.display());
        }
        copies.push((original.st_dev, original.st_ino, to.to_owned()));
    }
    match kind {
        libc::S_IFDIR => {
            // SAFETY: a C string.
            checked(unsafe { libc::mkdir(new.as_ptr(), 0o700) }).during("mkdir", to.display())?;
            copy_content(from, to, copies)?;
        }
        libc::S_IFREG => copy_text(&old, &new).during("copy", from.display())?,
        libc::S_IFLNK => {
            let mut target = vec![0_u8; 4096];
            // SAFETY: a C string, and a buffer of the length given.
            let length = unsafe { libc::readlink(old.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
            target.truncate(counted(length).during("readlink", from.display())?);
            let target = CString::new(target).map_err(io::Error::from).during("readlink", from.display())?;
            // SAFETY: C strings.
            checked(unsafe { libc::symlink(target.as_ptr(), new.as_ptr()) }).during("symlink", to.display())?;
        }
        // SAFETY: a C string.
        kind => checked(unsafe { libc::mknod(new.as_ptr(), kind | 0o600, original.st_rdev) })
            .during("mknod", to.display())?,
    }
    take_after(from, &original, to).during("copy", from.display())
}

fn copy_text(from: &CStr, to: &CStr) -> io::Result<()> {
    let from = open_at(libc::AT_FDCWD, from, libc::O_RDONLY)?;
    let to = open_at(libc::AT_FDCWD, to, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)?;
    io::copy(&mut std::fs::File::from(from), &mut std::fs::File::from(to)).map(drop)
}

fn take_after(from: &Path, original: &libc::stat, to: &Path) -> io::Result<()> {
    let (old, new) = (text(from), text(to));
    // SAFETY: C strings, buffers of the lengths given, and two times; so in the whole function.
    unsafe {
        checked(libc::lchown(new.as_ptr(), original.st_uid, original.st_gid))?;
        if original.st_mode & libc::S_IFMT != libc::S_IFLNK {
            checked(libc::chmod(new.as_ptr(), original.st_mode & 0o7777))?;
        }
        let mut names = vec![0_u8; 64 * 1024];
        let length = libc::llistxattr(old.as_ptr(), names.as_mut_ptr().cast(), names.len());
        if length < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EOPNOTSUPP) {
                return Err(error);
            }
        }
        for name in names[..usize::try_from(length).unwrap_or(0)].split_inclusive(|byte| *byte == 0) {
            let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
            let mut value = vec![0_u8; 64 * 1024];
            let length = libc::lgetxattr(old.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len());
            let length = counted(length)?;
            checked(libc::lsetxattr(new.as_ptr(), name.as_ptr(), value.as_ptr().cast(), length, 0))?;
        }
        let time = |tv_sec, tv_nsec| libc::timespec { tv_sec, tv_nsec };
        let times = [time(original.st_atime, original.st_atime_nsec), time(original.st_mtime, original.st_mtime_nsec)];
        checked(libc::utimensat(libc::AT_FDCWD, new.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW))
    }
}

/// The names in a directory, by whatever kind of descriptor.
fn names(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    const NAME: usize = 19; // of struct linux_dirent64: inode, offset, length, kind
    let open = open_at(directory.as_raw_fd(), c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
    let (mut names, mut buffer) = (Vec::new(), vec![0_u8; 32 * 1024]);
    loop {
        // SAFETY: a descriptor that is open, and a buffer of the length given.
        let length =
            unsafe { libc::syscall(libc::SYS_getdents64, open.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
        let mut rest = &buffer[..counted(length as isize)?];
        if rest.is_empty() {
            return Ok(names);
        }
        while !rest.is_empty() {
            let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = CStr::from_bytes_until_nul(&rest[NAME..length]).map_err(io::Error::other)?;
            if name != c"." && name != c".." {
                names.push(OsStr::from_bytes(name.to_bytes()).to_owned());
            }
            rest = &rest[length..];
        }
    }
}

fn is_opaque(directory: &OwnedFd, marks: Marks) -> io::Result<bool> {
    let (path, name) = (text(&place(directory.as_raw_fd())), text(Path::new(marks.opaque())));
    let mut value = [0_u8; 2];
    // SAFETY: C strings, and a buffer of the length given.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    if length >= 0 {
        return Ok(length == 1 && value[0] == b'y');
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // None; none here at all; a longer one.
        Some(libc::ENODATA | libc::EOPNOTSUPP | libc::ERANGE) => Ok(false),
        _ => Err(error),
    }
}

fn stat(fd: &OwnedFd) -> io::Result<libc::stat> {
    // SAFETY: all zeroes is a valid stat; a descriptor that is open.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        checked(libc::fstat(fd.as_raw_fd(), &raw mut stat))?;
        Ok(stat)
    }
}

fn lstat(path: &Path) -> io::Result<libc::stat> {
    let path = text(path);
    // SAFETY: as above, and a C string.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        checked(libc::lstat(path.as_ptr(), &raw mut stat))?;
        Ok(stat)
    }
}

fn open_at(directory: RawFd, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: a C string; a descriptor that comes back is nobody else's.
    unsafe {
        let fd = libc::openat(directory, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600);
        checked(fd.min(0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn checked(status: i32) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A length, or the errno behind -1.
fn counted(length: isize) -> io::Result<usize> {
    if length < 0 { Err(io::Error::last_os_error()) } else { Ok(length as usize) }
}

fn place(fd: RawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{fd}"))
}

/// A path of the caller's has no zero in it.
fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
