//! Lab 13 with system calls alone: openat2(2) by its number, files by openat(2) and pwrite(2), names by getdents64(2). A layer
//! is unpacked whole before what it hides is looked at.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use model::image::{Archive, ArchiveWriter, Blob, Content, Digest, Hash, Item, ItemKind, Marker, Sha256};
use model::layer::Marks;
use model::{During, Error, Result};

/// See the solution.
pub fn read(blob: &mut Blob, buffer: &mut [u8]) -> Result<usize> {
    let count = match blob.source.read(buffer) {
        Ok(count) => count,
        Err(source) => return Err(source).during("read", blob.digest),
    };
    if count > 0 {
        blob.hash.update(&buffer[..count]);
        blob.read_bytes += count as u64;
        if blob.read_bytes > blob.size_bytes {
            return Err(Error::invalid("blob", blob.digest.to_string(), "as long as was told: it goes on"));
        }
    } else if !buffer.is_empty() {
        let hash = std::mem::replace(&mut blob.hash, Sha256::new());
        // Whoever asks again at the end is told the same.
        blob.hash = hash.clone();
        if blob.read_bytes != blob.size_bytes || hash.finalize()[..] != blob.digest.0 {
            return Err(Error::invalid("blob", blob.digest.to_string(), "what it is called: it is something else"));
        }
    }
    Ok(count)
}

/// See the solution.
pub fn marker(name: &OsStr) -> Result<Marker<'_>> {
    match name.as_bytes() {
        [b'.', b'w', b'h', b'.', b'.', b'w', b'h', b'.', rest @ ..] => {
            Ok(if rest == b".opq" { Marker::Opaque } else { Marker::Ignored })
        }
        [b'.', b'w', b'h', b'.', rest @ ..] => match rest {
            [] | [b'.'] | [b'.', b'.'] => Err(Error::invalid("whiteout", name.to_string_lossy(), "with a name")),
            rest => Ok(Marker::Hides(OsStr::from_bytes(rest))),
        },
        _ => Ok(Marker::Plain),
    }
}

/// See the solution.
pub fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, OsString)> {
    let bytes = path.as_os_str().as_bytes();
    let mut names: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    if bytes.is_empty() || bytes[0] == b'/' || bytes.contains(&0) || names.contains(&&b".."[..]) {
        return Err(Error::invalid("path", path.to_string_lossy(), "one that stays where it is put"));
    }
    let last = names.pop().unwrap_or(b".");
    let mut directory = beneath(root, c".").during("openat2", path.display())?;
    let mut way = Vec::new();
    for name in names {
        way.extend(name);
        let here = c_text(&way).during("openat2", path.display())?;
        directory = match beneath(root, &here) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                let name = c_text(name).during("mkdirat", path.display())?;
                // SAFETY: a descriptor that is open, and a C string.
                checked(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), 0o755) })
                    .and_then(|()| beneath(root, &here))
            }
            found => found,
        }
        .during("openat2", path.display())?;
        way.push(b'/');
    }
    Ok((directory, OsStr::from_bytes(last).to_owned()))
}

/// The directory by this path from `root`, when no step of it leaves. Asked again on EAGAIN, which says that something was
/// renamed while the kernel took a `..`; not for ever.
fn beneath(root: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    let mut found = beneath_once(root, path);
    for _ in 1..100 {
        if !found.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EAGAIN)) {
            break;
        }
        found = beneath_once(root, path);
    }
    found
}

fn beneath_once(root: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: zeroes are a valid open_how, whose length is given; a C string; a descriptor that comes back is nobody else's.
    unsafe {
        let mut how: libc::open_how = std::mem::zeroed();
        how.flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
        how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
        let length = size_of::<libc::open_how>();
        let fd = libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw const how, length) as RawFd;
        checked(fd.min(0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// See the solution.
pub fn put(
    root: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &OsStr,
    item: &Item,
    content: &mut Content<'_>,
) -> Result<()> {
    let told = item.path.display();
    match &item.kind {
        ItemKind::Char { major: 0, minor: 0 } => Err(Error::invalid("device", told.to_string(), "no whiteout")),
        ItemKind::HardLink(target) => {
            let (directory, old) = open_parent(root, target)?;
            let old = c_text(old.as_bytes()).during("linkat", &told)?;
            let name = c_text(name.as_bytes()).during("linkat", &told)?;
            clear(parent.as_raw_fd(), &name, false).during("unlinkat", &told)?;
            // SAFETY: descriptors that are open, and C strings.
            let status =
                unsafe { libc::linkat(directory.as_raw_fd(), old.as_ptr(), parent.as_raw_fd(), name.as_ptr(), 0) };
            checked(status).during("linkat", told)
        }
        kind => {
            let name = c_text(name.as_bytes()).during("put", &told)?;
            let fd = parent.as_raw_fd();
            clear(fd, &name, *kind == ItemKind::Directory).during("unlinkat", &told)?;
            match make(fd, &name, kind, content) {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) && is_device(kind) => return Ok(()),
                made => made.during("make", &told)?,
            }
            renew(fd, &name, item).during("finish", told)
        }
    }
}

fn is_device(kind: &ItemKind) -> bool {
    matches!(kind, ItemKind::Char { .. } | ItemKind::Block { .. })
}

/// Makes it, with the content of a file; owner and mode come later.
fn make(parent: RawFd, name: &CStr, kind: &ItemKind, content: &mut Content<'_>) -> io::Result<()> {
    let node = |kind, number| {
        // SAFETY: a descriptor that is open, and a C string.
        checked(unsafe { libc::mknodat(parent, name.as_ptr(), kind, number) })
    };
    match kind {
        ItemKind::Directory => {
            // SAFETY: as above.
            match checked(unsafe { libc::mkdirat(parent, name.as_ptr(), 0o700) }) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                made => made,
            }
        }
        ItemKind::File { size_bytes } => {
            let file = open_at(parent, name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW)?;
            pour(content, &file, *size_bytes)
        }
        ItemKind::Symlink(target) => {
            let target = c_text(target.as_os_str().as_bytes())?;
            // SAFETY: as above.
            checked(unsafe { libc::symlinkat(target.as_ptr(), parent, name.as_ptr()) })
        }
        ItemKind::Char { major, minor } => node(libc::S_IFCHR, libc::makedev(*major as u32, *minor as u32)),
        ItemKind::Block { major, minor } => node(libc::S_IFBLK, libc::makedev(*major as u32, *minor as u32)),
        // A hard link is no new file: put() has made it.
        ItemKind::Fifo | ItemKind::HardLink(_) => node(libc::S_IFIFO, 0),
    }
}

/// Writes what is not zero by pwrite(2), at its place; the length is told last.
fn pour(content: &mut Content<'_>, file: &OwnedFd, size_bytes: u64) -> io::Result<()> {
    let (mut block, mut at) = ([0_u8; 4096], 0_u64);
    while at < size_bytes {
        let length = usize::try_from(size_bytes - at).map_or(block.len(), |left| left.min(block.len()));
        content.read_exact(&mut block[..length])?;
        let mut rest = if block[..length].iter().all(|byte| *byte == 0) { &[][..] } else { &block[..length] };
        let mut place = at as i64;
        while !rest.is_empty() {
            // SAFETY: a descriptor that is open, and a buffer of the length given.
            let wrote = unsafe { libc::pwrite(file.as_raw_fd(), rest.as_ptr().cast(), rest.len(), place) };
            let wrote = counted(wrote)?;
            rest = &rest[wrote..];
            place += wrote as i64;
        }
        at += length as u64;
    }
    // SAFETY: a descriptor that is open.
    checked(unsafe { libc::ftruncate(file.as_raw_fd(), size_bytes as i64) })
}

/// Removes what has this name, unless it is a directory that `keeps` its place.
fn clear(parent: RawFd, name: &CStr, keeps: bool) -> io::Result<()> {
    let stat = match stat_at(parent, name) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
        stat => stat?,
    };
    let is_directory = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    if is_directory && keeps {
        return Ok(());
    }
    if is_directory {
        let inside = open_at(parent, name, libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW)?;
        for name in names(inside.as_raw_fd())? {
            clear(inside.as_raw_fd(), &name, false)?;
        }
    }
    let flags = if is_directory { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: a descriptor that is open, and a C string.
    checked(unsafe { libc::unlinkat(parent, name.as_ptr(), flags) })
}

/// Owner, mode, attributes, time. A mode that forbids to write forbids the owner to set user.* attributes, but not whoever may
/// do everything inside; capabilities are attributes, and are there after the owner.
fn renew(parent: RawFd, name: &CStr, item: &Item) -> io::Result<()> {
    let is_link = matches!(item.kind, ItemKind::Symlink(_));
    // SAFETY: a descriptor that is open, and a C string.
    checked(unsafe { libc::fchownat(parent, name.as_ptr(), item.uid, item.gid, libc::AT_SYMLINK_NOFOLLOW) })?;
    for (key, value) in &item.xattrs {
        let key = key.as_bytes();
        if !is_overlays(key) {
            let (path, key) = (place(parent, name), c_text(key)?);
            // SAFETY: C strings, and a buffer of the length given.
            let status = unsafe { libc::lsetxattr(path.as_ptr(), key.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
            checked(status)?;
        }
    }
    if !is_link {
        // SAFETY: as above; it is no link.
        checked(unsafe { libc::fchmodat(parent, name.as_ptr(), item.mode & 0o7777, 0) })?;
    }
    set_time(parent, name, item.mtime)
}

fn is_overlays(key: &[u8]) -> bool {
    key.starts_with(b"trusted.overlay.") || key.starts_with(b"user.overlay.")
}

fn set_time(parent: RawFd, name: &CStr, (seconds, ns): (i64, u32)) -> io::Result<()> {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: ns.into() };
    let times = [time, time];
    // SAFETY: a descriptor that is open, a C string, and two times.
    checked(unsafe { libc::utimensat(parent, name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) })
}

/// See the solution.
pub fn apply(root: BorrowedFd<'_>, layer: &mut Archive<'_>, marks: Marks) -> Result<()> {
    // By path, and so every directory before what is in it: what each of them is to be in the end.
    let mut times = BTreeMap::new();
    let mut whiteouts = Vec::new();
    layer.each(|item, content| {
        let (parent, name) = open_parent(root, &item.path)?;
        let path: PathBuf = item.path.components().collect();
        match marker(&name)? {
            Marker::Plain => {
                put(root, parent.as_fd(), &name, item, content)?;
                match item.kind {
                    ItemKind::Directory => times.insert(path, item.mtime),
                    _ => times.remove(&path),
                };
            }
            Marker::Hides(hidden) => whiteouts.push((path.with_file_name(hidden), false)),
            Marker::Opaque => whiteouts.push((path.parent().unwrap_or(Path::new("")).join("."), true)),
            Marker::Ignored => {}
        }
        Ok(())
    })?;
    whiteouts.iter().try_for_each(|(path, is_opaque)| mark(root, path, *is_opaque, marks))?;
    for (path, mtime) in times.iter().rev() {
        let told = path.display();
        let Some((parent, name)) = find_parent(root, path).during("openat2", &told)? else { continue };
        if !stat_at(parent.as_raw_fd(), &name).is_ok_and(|seen| seen.st_mode & libc::S_IFMT == libc::S_IFDIR) {
            continue;
        }
        set_time(parent.as_raw_fd(), &name, *mtime).during("utimensat", &told)?;
    }
    Ok(())
}

/// As [`open_parent`], but nothing is made; nothing when the way is no more.
fn find_parent(root: BorrowedFd<'_>, path: &Path) -> io::Result<Option<(OwnedFd, CString)>> {
    let bytes = path.as_os_str().as_bytes();
    let (way, name) = match bytes.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&bytes[..slash], &bytes[slash + 1..]),
        None => (&b"."[..], bytes),
    };
    match beneath(root, &c_text(way)?) {
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EXDEV) => Ok(None),
            _ => Err(error),
        },
        Ok(directory) => Ok(Some((directory, c_text(name)?))),
    }
}

/// Hides what the layers below have by this path.
fn mark(root: BorrowedFd<'_>, path: &Path, is_opaque: bool, marks: Marks) -> Result<()> {
    let told = path.display();
    let Some((parent, name)) = find_parent(root, path).during("openat2", &told)? else { return Ok(()) };
    let fd = parent.as_raw_fd();
    let own = match stat_at(fd, &name) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
        stat => Some(stat.during("fstatat", &told)?),
    };
    match own {
        None if is_opaque => Err(Error::invalid("mark", told.to_string(), "in a directory")),
        // SAFETY: a descriptor that is open, and a C string.
        None => checked(unsafe { libc::mknodat(fd, name.as_ptr(), libc::S_IFCHR, 0) }).during("mknodat", told),
        Some(own) if own.st_mode & libc::S_IFMT == libc::S_IFDIR => {
            let path = place(fd, &name);
            let key = c_text(marks.opaque().as_bytes()).during("mark", &told)?;
            // SAFETY: C strings, and a value of one byte.
            let status = unsafe { libc::lsetxattr(path.as_ptr(), key.as_ptr(), b"y".as_ptr().cast(), 1, 0) };
            checked(status).during("lsetxattr", told)
        }
        Some(_) => Ok(()),
    }
}

/// See the solution.
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for own in diff_ids {
        let next = match chain.last() {
            None => *own,
            Some(below) => {
                let mut hash = Sha256::new();
                hash.update(below.to_string());
                hash.update(" ");
                hash.update(own.to_string());
                Digest(hash.finalize().into())
            }
        };
        chain.push(next);
    }
    chain
}

/// See the solution.
pub fn write_layer(upper: BorrowedFd<'_>, marks: Marks, layer: &mut ArchiveWriter<'_>) -> Result<()> {
    let mut first_names = Vec::new();
    write_directory(upper.as_raw_fd(), Path::new(""), marks, layer, &mut first_names)
}

type FirstName = (libc::dev_t, libc::ino_t, PathBuf);

fn write_directory(
    directory: RawFd,
    path: &Path,
    marks: Marks,
    layer: &mut ArchiveWriter<'_>,
    first_names: &mut Vec<FirstName>,
) -> Result<()> {
    let mut all = names(directory).during("getdents64", path.display())?;
    all.sort();
    for name in all {
        let plain = OsStr::from_bytes(name.to_bytes());
        let own = path.join(plain);
        let told = own.display();
        let stat = stat_at(directory, &name).during("fstatat", &told)?;
        let (kind, rdev) = (stat.st_mode & libc::S_IFMT, stat.st_rdev);
        if kind == libc::S_IFSOCK {
            continue;
        }
        if kind == libc::S_IFCHR && rdev == libc::makedev(0, 0) {
            let hidden = [b".wh.", plain.as_bytes()].concat();
            layer.append(&note(path.join(OsStr::from_bytes(&hidden))), None)?;
            continue;
        }
        let first = first_names.iter().find(|first| (first.0, first.1) == (stat.st_dev, stat.st_ino));
        let is_again = first.filter(|_| kind != libc::S_IFDIR);
        let (major, minor) = (libc::major(rdev).into(), libc::minor(rdev).into());
        let (mut text, mut inside) = (None, None);
        let entry = match kind {
            _ if is_again.is_some() => ItemKind::HardLink(is_again.map(|first| first.2.clone()).unwrap_or_default()),
            libc::S_IFDIR => {
                let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
                inside = Some(open_at(directory, &name, flags).during("openat", &told)?);
                ItemKind::Directory
            }
            libc::S_IFREG => {
                let file = open_at(directory, &name, libc::O_RDONLY | libc::O_NOFOLLOW).during("openat", &told)?;
                text = Some(File::from(file));
                ItemKind::File { size_bytes: stat.st_size as u64 }
            }
            libc::S_IFLNK => ItemKind::Symlink(target(directory, &name).during("readlinkat", &told)?),
            libc::S_IFCHR => ItemKind::Char { major, minor },
            libc::S_IFBLK => ItemKind::Block { major, minor },
            _ => ItemKind::Fifo,
        };
        if is_again.is_none() && stat.st_nlink > 1 {
            first_names.push((stat.st_dev, stat.st_ino, own.clone()));
        }
        let item = Item {
            path: own.clone(),
            kind: entry,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            xattrs: attributes(directory, &name).during("llistxattr", &told)?,
        };
        let opaque = item_is_opaque(directory, &name, marks);
        layer.append(&item, text.as_ref())?;
        if let Some(inside) = inside {
            if opaque {
                layer.append(&note(own.join(".wh..wh..opq")), None)?;
            }
            write_directory(inside.as_raw_fd(), &own, marks, layer, first_names)?;
        }
    }
    Ok(())
}

/// An entry that is nothing but its name.
fn note(path: PathBuf) -> Item {
    let kind = ItemKind::File { size_bytes: 0 };
    Item { path, kind, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new() }
}

fn item_is_opaque(directory: RawFd, name: &CStr, marks: Marks) -> bool {
    let key = CString::new(marks.opaque().as_bytes()).unwrap_or_default();
    value(&place(directory, name), &key).is_ok_and(|value| value == b"y")
}

/// The attributes that travel, sorted by name.
fn attributes(directory: RawFd, name: &CStr) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let path = place(directory, name);
    let (mut keys, mut found) = (vec![0_u8; 64 * 1024], Vec::new());
    // SAFETY: a C string, and a buffer of the length given.
    let length = match counted(unsafe { libc::llistxattr(path.as_ptr(), keys.as_mut_ptr().cast(), keys.len()) }) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => 0,
        length => length?,
    };
    for key in keys[..length].split_inclusive(|byte| *byte == 0) {
        let key = CStr::from_bytes_with_nul(key).map_err(io::Error::other)?;
        if !is_overlays(key.to_bytes()) && key != c"security.selinux" {
            found.push((OsString::from_vec(key.to_bytes().to_vec()), value(&path, key)?));
        }
    }
    found.sort();
    Ok(found)
}

fn value(path: &CStr, key: &CStr) -> io::Result<Vec<u8>> {
    let mut value = vec![0_u8; 64 * 1024];
    // SAFETY: C strings, and a buffer of the length given.
    let length =
        counted(unsafe { libc::lgetxattr(path.as_ptr(), key.as_ptr(), value.as_mut_ptr().cast(), value.len()) })?;
    value.truncate(length);
    Ok(value)
}

fn target(directory: RawFd, name: &CStr) -> io::Result<PathBuf> {
    let mut text = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: a descriptor that is open, a C string, and a buffer of the length given.
    let length = counted(unsafe { libc::readlinkat(directory, name.as_ptr(), text.as_mut_ptr().cast(), text.len()) })?;
    text.truncate(length);
    Ok(PathBuf::from(OsString::from_vec(text)))
}

/// The names in a directory, by whatever kind of descriptor.
fn names(directory: RawFd) -> io::Result<Vec<CString>> {
    const NAME: usize = 19; // of struct linux_dirent64: inode, offset, length, kind
    let open = open_at(directory, c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
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
                names.push(name.to_owned());
            }
            rest = &rest[length..];
        }
    }
}

fn stat_at(directory: RawFd, name: &CStr) -> io::Result<libc::stat> {
    // SAFETY: all zeroes is a valid stat; a descriptor that is open, and a C string.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        checked(libc::fstatat(directory, name.as_ptr(), &raw mut stat, libc::AT_SYMLINK_NOFOLLOW))?;
        Ok(stat)
    }
}

fn open_at(directory: RawFd, name: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: a C string; a descriptor that comes back is nobody else's.
    unsafe {
        let fd = libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC, 0o600);
        checked(fd.min(0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The path by which a call that knows no directories reaches a name in one.
fn place(directory: RawFd, name: &CStr) -> CString {
    let path = [format!("/proc/self/fd/{directory}/").as_bytes(), name.to_bytes()].concat();
    CString::new(path).unwrap_or_default()
}

fn c_text(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(io::Error::other)
}

fn checked(status: i32) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A length, or the errno behind -1.
fn counted(length: isize) -> io::Result<usize> {
    if length < 0 { Err(io::Error::last_os_error()) } else { Ok(length as usize) }
}
