//! Lab 12: one root file system for many containers, and each keeps its own changes.
//!
//! An overlay shows directories as one: lower ones, which are never written, and an upper one, which gets what is. What the
//! upper one cannot leave out by not having it, it hides by a mark.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use model::layer::{Change, ChangeKind, Entry, Mark, Marks, Overlay, is_opaque};
use model::tree::{is_same_directory, kind, names, open_directory, place, take_after};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, fstat, mknod, mknodat};

/// What mount(2) takes of its last argument: a page less the zero at its end. The rest is cut off, and nothing is said.
pub const OPTIONS_MAX_BYTES: usize = 4095;

/// The options that mount `overlay`: mount(2) has them as one text, `key=value,key=value`.
///
/// In a path, `\` stands before a character that would end it: `\` itself, `,`, and `:`, which stands between lower
/// directories. Source: overlayfs, "Multiple lower layers", "Permission model" for `userxattr`.
#[must_use]
pub fn options(overlay: &Overlay) -> OsString {
    // task 1: lowerdir=TOP:…:BOTTOM,upperdir=…,workdir=…; then userxattr for user marks, else redirect_dir=off,metacopy=off
    // nothing: OsString::new()
    let escaped = |path: &Path| {
        let bytes = path.as_os_str().as_bytes().iter();
        bytes.flat_map(|&byte| [b'\\', byte].into_iter().skip(usize::from(!br"\,:".contains(&byte)))).collect::<Vec<_>>()
    };
    let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
    // Else a directory that is renamed, or a file that is given away, would leave no more than a note in upper that says where
    // its content is: below, where a copy of upper does not reach. In a user namespace there is neither.
    let rest: &[u8] = match overlay.marks {
        Marks::Trusted => b",redirect_dir=off,metacopy=off",
        Marks::User => b",userxattr",
    };
    let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
    OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
    // end task
}

/// Mounts `overlay` on the directory `target`, in the caller's mount namespace.
///
/// When the options are too long for mount(2), the lower directories go by shorter names: `/proc/self/fd/N`, each the
/// number of a descriptor that is open for as long as the call takes. Source: mount(2), proc_pid_fd(5).
///
/// # Errors
/// ENOENT for a layer that is not there; EINVAL when `work` is on another file system than `upper`, or that one is an overlay
/// itself; [`Error::Invalid`] when there are too many layers by any name. An `upper` that keeps no extended attributes may be
/// taken all the same: then no directory from below can be removed (EIO).
pub fn mount_overlay(overlay: &Overlay, target: &Path) -> Result<()> {
    // task 2: mount(2) with type overlay and the options; if they are too long, with the lowers opened (O_PATH), and named by their numbers
    let mut data = options(overlay);
    let mut open = Vec::new();
    if data.len() > OPTIONS_MAX_BYTES {
        open = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<_>>()?;
        data = options(&Overlay { lowers: open.iter().map(|fd| place(fd.as_fd())).collect(), ..overlay.clone() });
    }
    if data.len() > OPTIONS_MAX_BYTES {
        let right = format!("as many as fit into {OPTIONS_MAX_BYTES} bytes of mount options, some 200");
        return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), right));
    }
    let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
    drop(open); // not before
    mounted.during("mount overlay on", target.display())
    // end task
}

/// Writes a mark into `directory`, one of a layer's.
///
/// A whiteout is a character device with the numbers 0 and 0. No driver is behind it, so whoever can write to the directory
/// can make one (Linux 5.8). Source: overlayfs, "whiteouts and opaque directories".
///
/// # Errors
/// EEXIST when `directory` has something by the name of a whiteout; EPERM for a mark that is not the caller's to write;
/// EOPNOTSUPP on a file system without extended attributes.
pub fn make_mark(directory: BorrowedFd<'_>, mark: Mark<'_>, marks: Marks) -> Result<()> {
    // task 3: Whiteout: mknodat(2), a character device, no permissions, number 0; Opaque: the attribute marks.opaque(), value y (xattr::set_deref on place(directory))
    match mark {
        Mark::Whiteout(name) => {
            mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
        }
        Mark::Opaque => xattr::set_deref(place(directory), marks.opaque(), b"y").during("setxattr", marks.opaque().display()),
    }
    // end task
}

/// What `directory`, one of a layer's, has by `name`. Symbolic links are files here, and are not followed.
///
/// # Errors
/// EACCES where the caller may not look.
pub fn entry(directory: BorrowedFd<'_>, name: &OsStr, marks: Marks) -> Result<Entry> {
    // task 4: openat(2) with O_PATH and O_NOFOLLOW, then fstat(2): is it a character device with number 0, is it a directory, has that the attribute?
    // nothing: Ok(Entry::Missing)
    let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(Entry::Missing),
        fd => fd.during("openat", name.display())?,
    };
    let stat = fstat(&fd).during("fstat", name.display())?;
    match kind(&stat) {
        SFlag::S_IFCHR if stat.st_rdev == 0 => Ok(Entry::Whiteout),
        SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd }),
        _ => Ok(Entry::File(fd)),
    }
    // end task
}

/// What is to be seen by `name` in the directories `layers`, the topmost first, when they are merged: a file; or a directory,
/// followed by those of the layers below that it is merged with; or nothing.
///
/// # Errors
/// As [`entry`].
pub fn lookup(layers: &[OwnedFd], name: &OsStr, marks: Marks) -> Result<Vec<OwnedFd>> {
    // task 5: go down the layers by entry(): what stops the search, what is added to what was found, what comes too late to be seen?
    let mut found = Vec::new();
    for layer in layers {
        match entry(layer.as_fd(), name, marks)? {
            Entry::Missing => {}
            Entry::Whiteout => break,
            // Below a directory a file is hidden, and what is below the file too.
            Entry::File(fd) => {
                found.extend(found.is_empty().then_some(fd));
                break;
            }
            Entry::Directory { fd, opaque } => {
                found.push(fd);
                if opaque {
                    break;
                }
            }
        }
    }
    Ok(found)
    // end task
}

/// What the upper directory of `overlay` makes of the lower ones, by path. A directory is `Changed` too when something in it
/// is not as it was. The merged view is not needed: nothing has to be mounted.
///
/// # Errors
/// As [`entry`].
pub fn changes(overlay: &Overlay) -> Result<Vec<Change>> {
    let lowers = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<Vec<_>>>()?;
    let mut changes = compare(&open_directory(&overlay.upper)?, &lowers, Path::new("/"), overlay.marks, false)?;
    changes.sort();
    Ok(changes)
}

/// What the directory `upper`, at `path` inside, makes of `lowers`, the directories below it by the same path. In an `opaque`
/// one every directory is opaque, and need not bear the mark. The one on `/` counts for nothing, as with the kernel.
fn compare(upper: &OwnedFd, lowers: &[OwnedFd], path: &Path, marks: Marks, opaque: bool) -> Result<Vec<Change>> {
    // task 6: for each of names(): whiteout or not, below it (lookup) something or not: A, C, D; then into directories. If upper is opaque (`/` never is), or one above it: what of the lowers is not in it is D
    let (here, mut changes) = (names(upper)?, Vec::new());
    let opaque = opaque || (path != Path::new("/") && is_opaque(upper.as_fd(), marks)?);
    if opaque {
        let mut below = lowers.iter().map(names).collect::<Result<Vec<_>>>()?.concat();
        below.sort();
        below.dedup();
        for name in below.iter().filter(|name| !here.contains(name)) {
            if !lookup(lowers, name, marks)?.is_empty() {
                changes.push(Change::new(ChangeKind::Deleted, &path.join(name)));
            }
        }
    }
    for name in here {
        let path = path.join(&name);
        let below = lookup(lowers, &name, marks)?;
        let old = below.first().map(fstat).transpose().during("fstat", path.display())?;
        let (fd, is_directory) = match entry(upper.as_fd(), &name, marks)? {
            // Somebody was faster.
            Entry::Missing => continue,
            Entry::Whiteout => {
                changes.extend(old.map(|_| Change::new(ChangeKind::Deleted, &path)));
                continue;
            }
            Entry::File(fd) => (fd, false),
            Entry::Directory { fd, .. } => (fd, true),
        };
        let is_merged = old.is_some_and(|old| kind(&old) == SFlag::S_IFDIR);
        let merged = if is_merged { &below[..] } else { &[] };
        let inside = if is_directory { compare(&fd, merged, &path, marks, opaque)? } else { Vec::new() };
        let new = fstat(&fd).during("fstat", path.display())?;
        match old {
            None => changes.push(Change::new(ChangeKind::Added, &path)),
            // It had to be copied up for what is in it, and in the end nothing is.
            Some(old) if is_directory && inside.is_empty() && is_same_directory(&old, &new) => {}
            Some(_) => changes.push(Change::new(ChangeKind::Changed, &path)),
        }
        changes.extend(inside);
    }
    Ok(changes)
    // end task
}

/// Copies all that is in the directory `from` to the empty directory `to`, and gives `to` what `from` itself has: owner, mode,
/// time, extended attributes.
///
/// # Errors
/// EPERM for a device node that the caller may not make, or an owner that is not the caller's to give.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
    copy_content(from, to, &mut HashMap::new())?;
    take_after(from, &metadata, to)
}

/// Copies what is in `from`. `copies` is where each file is that has several names, by its device and inode.
fn copy_content(from: &Path, to: &Path, copies: &mut HashMap<(u64, u64), PathBuf>) -> Result<()> {
    for entry in fs::read_dir(from).during("readdir", from.display())? {
        let name = entry.during("readdir", from.display())?.file_name();
        copy_one(&from.join(&name), &to.join(&name), copies)?;
    }
    Ok(())
}

/// Copies one file or directory to a name that is free.
fn copy_one(from: &Path, to: &Path, copies: &mut HashMap<(u64, u64), PathBuf>) -> Result<()> {
    // task 7: if it has several names and its copy is there: hard_link; else make a directory, symlink, file, or node (mknod(2)); then take_after()
    let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
    let several = (!metadata.is_dir() && metadata.nlink() > 1).then_some((metadata.dev(), metadata.ino()));
    if let Some(copy) = several.and_then(|file| copies.get(&file)) {
        return fs::hard_link(copy, to).during("link", to.display());
    }
    match metadata.file_type() {
        kind if kind.is_dir() => {
            fs::create_dir(to).during("mkdir", to.display())?;
            copy_content(from, to, copies)?;
        }
        kind if kind.is_symlink() => {
            fs::read_link(from).and_then(|target| symlink(target, to)).during("symlink", to.display())?;
        }
        kind if kind.is_file() => drop(fs::copy(from, to).during("copy", from.display())?),
        _ => {
            let kind = SFlag::from_bits_truncate(metadata.mode()) & SFlag::S_IFMT;
            mknod(to, kind, Mode::empty(), metadata.rdev()).during("mknod", to.display())?;
        }
    }
    copies.extend(several.map(|file| (file, to.to_owned())));
    // Last: what is made in a directory changes its time, and a new owner takes away set-user-ID bits and capabilities.
    take_after(from, &metadata, to)
    // end task
}
