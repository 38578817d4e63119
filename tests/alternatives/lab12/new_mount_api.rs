//! Lab 12 with the mount calls of Linux 5.2: fsopen, fsconfig, fsmount, move_mount. Each layer is an option of its own where
//! the kernel has `lowerdir+` (6.7); elsewhere they are one, and a long one goes to mount(2) as the solution's does. The
//! trees are walked with a stack instead of a recursion.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "the calls have no safe wrapper")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::ptr;

use model::layer::{Change, ChangeKind, Entry, Mark, Marks, Overlay};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fstat, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;

/// See the solution.
pub const OPTIONS_MAX_BYTES: usize = 4095;
/// Source: linux/mount.h.
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;

/// See the solution.
#[must_use]
pub fn options(overlay: &Overlay) -> OsString {
    let escaped = |path: &PathBuf| {
        let mut text = Vec::new();
        for byte in path.as_os_str().as_bytes() {
            text.extend([b'\\'].iter().filter(|_| b",:\\".contains(byte)).chain([byte]));
        }
        text
    };
    let lowers = overlay.lowers.iter().map(escaped).collect::<Vec<_>>().join(&b':');
    let rest = match overlay.marks {
        Marks::User => &["userxattr"][..],
        Marks::Trusted => &["redirect_dir=off", "metacopy=off"],
    };
    let mut all = vec![[b"upperdir=", &escaped(&overlay.upper)[..]].concat()];
    all.push([b"workdir=", &escaped(&overlay.work)[..]].concat());
    all.push([b"lowerdir=", &lowers[..]].concat());
    all.extend(rest.iter().map(|option| option.as_bytes().to_vec()));
    OsString::from_vec(all.join(&b','))
}

/// See the solution.
pub fn mount_overlay(overlay: &Overlay, target: &Path) -> Result<()> {
    // SAFETY: a C string; a descriptor that comes back is nobody else's.
    let context = unsafe {
        let fd = libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), FSOPEN_CLOEXEC);
        OwnedFd::from_raw_fd(Errno::result(fd as i32).during("fsopen", "overlay")?)
    };
    let set = |key: &CStr, value: &OsStr| -> nix::Result<()> {
        let value = CString::new(value.as_bytes()).or(Err(Errno::EINVAL))?;
        configure(&context, FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())
    };
    // By their numbers: a value has 255 bytes at most, and a backslash in it is an escape in some of the keys.
    let mut held = Vec::new();
    let mut numbered = |path: &Path| -> Result<PathBuf> {
        let fd = open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        held.push(fd.during("open", path.display())?);
        Ok(place(held[held.len() - 1].as_fd()))
    };
    for lower in &overlay.lowers {
        match set(c"lowerdir+", numbered(lower)?.as_os_str()) {
            // The kernel has a limit of its own, whatever their names are.
            Err(Errno::EINVAL) if overlay.lowers.len() > 400 => {
                return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), "500 at most"));
            }
            Err(Errno::EINVAL) => return as_one_text(overlay, target),
            result => result.during("lowerdir+", lower.display())?,
        }
    }
    for (key, path) in [(c"upperdir", &overlay.upper), (c"workdir", &overlay.work)] {
        set(key, numbered(path)?.as_os_str()).during("fsconfig", path.display())?;
    }
    for key in match overlay.marks {
        Marks::User => &[(c"userxattr", None)][..],
        Marks::Trusted => &[(c"redirect_dir", Some("off")), (c"metacopy", Some("off"))],
    } {
        match key {
            (key, Some(value)) => set(key, OsStr::new(value)),
            (key, None) => configure(&context, 0, key.as_ptr(), ptr::null()),
        }
        .during("fsconfig", key.0.to_string_lossy())?;
    }
    configure(&context, FSCONFIG_CMD_CREATE, ptr::null(), ptr::null()).during("fsconfig", "overlay")?;
    let at =
        CString::new(target.as_os_str().as_bytes()).map_err(io::Error::from).during("move_mount", target.display())?;
    // SAFETY: descriptors that are open, and C strings.
    unsafe {
        let tree = libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0);
        let tree = OwnedFd::from_raw_fd(Errno::result(tree as i32).during("fsmount", "overlay")?);
        let (from, to) = (tree.as_raw_fd(), libc::AT_FDCWD);
        let moved = libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, at.as_ptr(), MOVE_MOUNT_F_EMPTY_PATH);
        Errno::result(moved).map(drop).during("move_mount", target.display())
    }
}

fn configure(context: &OwnedFd, command: u32, key: *const libc::c_char, value: *const libc::c_char) -> nix::Result<()> {
    // SAFETY: the callers hand over C strings, or null where the command takes none.
    let status = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    Errno::result(status).map(drop)
}

/// Before `lowerdir+`. fsconfig(2) takes 255 bytes a value, so this is mount(2).
fn as_one_text(overlay: &Overlay, target: &Path) -> Result<()> {
    let (mut data, mut held) = (options(overlay), Vec::new());
    if data.len() > OPTIONS_MAX_BYTES {
        let mut lowers = Vec::new();
        for lower in &overlay.lowers {
            let fd = open(lower, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
            let fd = fd.during("open", lower.display())?;
            lowers.push(place(fd.as_fd()));
            held.push(fd);
        }
        data = options(&Overlay { lowers, ..overlay.clone() });
        if data.len() > OPTIONS_MAX_BYTES {
            return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), "some 200"));
        }
    }
    mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(&*data)).during("mount", target.display())
}

/// See the solution.
pub fn make_mark(directory: BorrowedFd<'_>, mark: Mark<'_>, marks: Marks) -> Result<()> {
    let path = place(directory);
    match mark {
        Mark::Whiteout(name) => {
            mknod(&path.join(name), SFlag::S_IFCHR, Mode::S_IRUSR, makedev(0, 0)).during("mknod", name.display())
        }
        Mark::Opaque => {
            // Opened again, to be written through.
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let open = openat(directory, ".", flags, Mode::empty()).during("open", path.display())?;
            xattr::FileExt::set_xattr(&fs::File::from(open), marks.opaque(), b"y").during("fsetxattr", path.display())
        }
    }
}

/// See the solution.
pub fn entry(directory: BorrowedFd<'_>, name: &OsStr, marks: Marks) -> Result<Entry> {
    let metadata = match fs::symlink_metadata(place(directory).join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entry::Missing),
        metadata => metadata.during("lstat", name.display())?,
    };
    if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
        return Ok(Entry::Whiteout);
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = openat(directory, name, flags, Mode::empty()).during("openat", name.display())?;
    if fstat(&fd).during("fstat", name.display())?.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Ok(Entry::File(fd));
    }
    Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd })
}

fn is_opaque(directory: BorrowedFd<'_>, marks: Marks) -> Result<bool> {
    let value = xattr::get_deref(place(directory), marks.opaque());
    match value {
        Ok(value) => Ok(value.as_deref() == Some(b"y")),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
        Err(error) => Err(error).during("getxattr", marks.opaque().display()),
    }
}

/// See the solution.
pub fn lookup(layers: &[OwnedFd], name: &OsStr, marks: Marks) -> Result<Vec<OwnedFd>> {
    let [first, rest @ ..] = layers else { return Ok(Vec::new()) };
    Ok(match entry(first.as_fd(), name, marks)? {
        Entry::Missing => lookup(rest, name, marks)?,
        Entry::Whiteout => Vec::new(),
        Entry::File(fd) => vec![fd],
        Entry::Directory { fd, opaque: true } => vec![fd],
        Entry::Directory { fd, opaque: false } => {
            let mut found = lookup(rest, name, marks)?;
            // A file ends the search, and is not to be seen.
            let is_file = found.first().is_some_and(|fd| !is_directory(fd));
            found.drain(..usize::from(is_file));
            found.insert(0, fd);
            found
        }
    })
}

fn is_directory(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// A directory that is still to be compared.
struct Pair {
    path: PathBuf,
    upper: OwnedFd,
    lowers: Vec<OwnedFd>,
    opaque: bool,
}

/// See the solution. First what there is to say of each file, then of the directories that lead to them.
pub fn changes(overlay: &Overlay) -> Result<Vec<Change>> {
    let open = |path: &PathBuf| {
        open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).during("open", path.display())
    };
    let lowers = overlay.lowers.iter().map(open).collect::<Result<Vec<_>>>()?;
    let marks = overlay.marks;
    let upper = open(&overlay.upper)?;
    // A mark that the root bears is none to the kernel.
    let mut left = vec![Pair { path: PathBuf::from("/"), upper, lowers, opaque: false }];
    let mut changes = BTreeMap::new();
    let mut on_the_way = Vec::new();
    while let Some(Pair { path: directory, upper, lowers, opaque }) = left.pop() {
        let mut names = names(upper.as_fd())?;
        if opaque {
            for lower in &lowers {
                names.extend(self::names(lower.as_fd())?);
            }
        }
        for name in names {
            let path = directory.join(&name);
            let below = lookup(&lowers, &name, marks)?;
            let found = entry(upper.as_fd(), &name, marks)?;
            if let Entry::Missing | Entry::Whiteout = found {
                if !below.is_empty() {
                    changes.insert(path, ChangeKind::Deleted);
                }
                continue;
            }
            let old = below.first().map(told).transpose()?;
            match found {
                Entry::Directory { fd, opaque: own } => {
                    let was_directory = below.first().is_some_and(is_directory);
                    match &old {
                        None => drop(changes.insert(path.clone(), ChangeKind::Added)),
                        Some(old) if *old == told(&fd)? => on_the_way.push(path.clone()),
                        Some(_) => drop(changes.insert(path.clone(), ChangeKind::Changed)),
                    }
                    let lowers = if was_directory { below } else { Vec::new() };
                    left.push(Pair { path, upper: fd, lowers, opaque: own || opaque });
                }
                _ => drop(changes.insert(path, if old.is_some() { ChangeKind::Changed } else { ChangeKind::Added })),
            }
        }
    }
    for path in on_the_way.into_iter().rev() {
        if changes.keys().any(|other| *other != path && other.starts_with(&path)) {
            changes.insert(path, ChangeKind::Changed);
        }
    }
    let mut changes: Vec<_> = changes.into_iter().map(|(path, kind)| Change { path, kind }).collect();
    changes.sort();
    Ok(changes)
}

fn told(fd: &OwnedFd) -> Result<(u32, u32, u32, i64, i64)> {
    let stat = fstat(fd).during("fstat", "what is below")?;
    Ok((stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime, stat.st_mtime_nsec))
}

fn names(directory: BorrowedFd<'_>) -> Result<BTreeSet<OsString>> {
    let path = place(directory);
    let entries = fs::read_dir(path.join(".")).during("readdir", path.display())?;
    entries.map(|entry| Ok(entry.during("readdir", path.display())?.file_name())).collect()
}

/// See the solution. What is in a directory is copied after it, and what belongs to the directory itself in the end, the
/// deepest first.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let mut copies: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    let mut directories = vec![(from.to_owned(), to.to_owned())];
    let mut done = 0;
    while let Some((from, to)) = directories.get(done).cloned() {
        done += 1;
        for entry in fs::read_dir(&from).during("readdir", from.display())? {
            let name = entry.during("readdir", from.display())?.file_name();
            let (from, to) = (from.join(&name), to.join(&name));
            let metadata = fs::symlink_metadata(&from).during("lstat", from.display())?;
            if metadata.is_dir() {
                fs::create_dir(&to).during("mkdir", to.display())?;
                directories.push((from, to));
                continue;
            }
            let file = (metadata.dev(), metadata.ino());
            if let Some(copy) = copies.get(&file) {
                fs::hard_link(copy, &to).during("link", to.display())?;
                continue;
            }
            copy_one(&from, &metadata, &to)?;
            copies.insert(file, to);
        }
    }
    for (from, to) in directories.into_iter().rev() {
        let metadata = fs::symlink_metadata(&from).during("lstat", from.display())?;
        take_after(&from, &metadata, &to)?;
    }
    Ok(())
}

fn copy_one(from: &Path, metadata: &fs::Metadata, to: &Path) -> Result<()> {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(from).during("readlink", from.display())?;
        symlink(target, to).during("symlink", to.display())?;
    } else if kind.is_file() {
        let mut source = fs::File::open(from).during("open", from.display())?;
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
        let mut copy = made.during("open", to.display())?;
        io::copy(&mut source, &mut copy).during("copy", from.display())?;
        fchown(&copy, Some(metadata.uid()), Some(metadata.gid())).during("fchown", to.display())?;
    } else {
        let kind = SFlag::from_bits_truncate(metadata.mode() & libc::S_IFMT);
        mknod(to, kind, Mode::S_IRUSR, metadata.rdev()).during("mknod", to.display())?;
    }
    take_after(from, metadata, to)
}

fn take_after(from: &Path, metadata: &fs::Metadata, to: &Path) -> Result<()> {
    lchown(to, Some(metadata.uid()), Some(metadata.gid())).during("lchown", to.display())?;
    match xattr::list(from) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        names => {
            for name in names.during("llistxattr", from.display())? {
                let value = xattr::get(from, &name).during("lgetxattr", from.display())?;
                xattr::set(to, &name, &value.unwrap_or_default()).during("lsetxattr", to.display())?;
            }
        }
    }
    if !metadata.is_symlink() {
        let mode = fs::Permissions::from_mode(metadata.mode() & 0o7777);
        fs::set_permissions(to, mode).during("chmod", to.display())?;
    }
    let time = |s, ns| TimeSpec::new(s, ns);
    let times = [time(metadata.atime(), metadata.atime_nsec()), time(metadata.mtime(), metadata.mtime_nsec())];
    utimensat(AT_FDCWD, to, &times[0], &times[1], UtimensatFlags::NoFollowSymlink).during("utimensat", to.display())
}

fn place(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}
