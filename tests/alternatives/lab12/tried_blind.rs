//! Lab 12 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

use std::collections::{BTreeSet, HashMap};
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
    let mut text = b"lowerdir=".to_vec();
    for (place, lower) in overlay.lowers.iter().enumerate() {
        if place > 0 {
            text.push(b':');
        }
        push_escaped(&mut text, lower);
    }
    for (key, path) in [("upperdir", &overlay.upper), ("workdir", &overlay.work)] {
        text.extend(format!(",{key}=").bytes());
        push_escaped(&mut text, path);
    }
    text.extend_from_slice(match overlay.marks {
        Marks::User => b",userxattr".as_slice(),
        Marks::Trusted => b",redirect_dir=off,metacopy=off",
    });
    OsString::from_vec(text)
}

/// Appends `path`, with what would end it there escaped.
fn push_escaped(text: &mut Vec<u8>, path: &Path) {
    for &byte in path.as_os_str().as_bytes() {
        if br"\,:".contains(&byte) {
            text.push(b'\\');
        }
        text.push(byte);
    }
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
    let mut data = options(overlay);
    let mut open = Vec::new();
    if data.len() > OPTIONS_MAX_BYTES {
        for lower in &overlay.lowers {
            open.push(open_directory(lower)?);
        }
        let mut short = overlay.clone();
        short.lowers = open.iter().map(|lower| place(lower.as_fd())).collect();
        data = options(&short);
    }
    if data.len() > OPTIONS_MAX_BYTES {
        let count = format!("{} layers", overlay.lowers.len());
        return Err(Error::invalid("overlay", count, format!("its options fit in {OPTIONS_MAX_BYTES} bytes")));
    }
    let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
    drop(open);
    mounted.during("mount overlay on", target.display())
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
    match mark {
        Mark::Whiteout(name) => {
            mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
        }
        Mark::Opaque => {
            let path = place(directory);
            xattr::set_deref(&path, marks.opaque(), b"y").during("setxattr", path.display())
        }
    }
}

/// What `directory`, one of a layer's, has by `name`. Symbolic links are files here, and are not followed.
///
/// # Errors
/// EACCES where the caller may not look.
pub fn entry(directory: BorrowedFd<'_>, name: &OsStr, marks: Marks) -> Result<Entry> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(Entry::Missing),
        opened => opened.during("open", name.display())?,
    };
    let stat = fstat(&fd).during("stat", name.display())?;
    let found = kind(&stat);
    Ok(if found == SFlag::S_IFDIR {
        let opaque = is_opaque(fd.as_fd(), marks)?;
        Entry::Directory { fd, opaque }
    } else if found == SFlag::S_IFCHR && stat.st_rdev == 0 {
        Entry::Whiteout
    } else {
        Entry::File(fd)
    })
}

/// What is to be seen by `name` in the directories `layers`, the topmost first, when they are merged: a file; or a directory,
/// followed by those of the layers below that it is merged with; or nothing.
///
/// # Errors
/// As [`entry`].
pub fn lookup(layers: &[OwnedFd], name: &OsStr, marks: Marks) -> Result<Vec<OwnedFd>> {
    let mut merged = Vec::new();
    for layer in layers {
        match entry(layer.as_fd(), name, marks)? {
            Entry::Missing => {}
            Entry::File(fd) if merged.is_empty() => return Ok(vec![fd]),
            Entry::File(_) | Entry::Whiteout => break,
            Entry::Directory { fd, opaque } => {
                merged.push(fd);
                if opaque {
                    break;
                }
            }
        }
    }
    Ok(merged)
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
    let opaque = opaque || (path != Path::new("/") && is_opaque(upper.as_fd(), marks)?);
    let here = names(upper)?;
    let mut found = Vec::new();
    for name in &here {
        let below = lookup(lowers, name, marks)?;
        let path = path.join(name);
        let mut inside = Vec::new();
        let kind = match (entry(upper.as_fd(), name, marks)?, below.first()) {
            (Entry::Missing, _) | (Entry::Whiteout, None) => continue,
            (Entry::Whiteout, Some(_)) => ChangeKind::Deleted,
            (Entry::File(_), None) => ChangeKind::Added,
            (Entry::File(_), Some(_)) => ChangeKind::Changed,
            (Entry::Directory { fd, .. }, None) => {
                inside = compare(&fd, &[], &path, marks, opaque)?;
                ChangeKind::Added
            }
            (Entry::Directory { fd, .. }, Some(old)) => {
                let old = fstat(old).during("stat", path.display())?;
                let new = fstat(&fd).during("stat", path.display())?;
                let was_directory = kind(&old) == SFlag::S_IFDIR;
                let lowers = if was_directory { &below[..] } else { &[] };
                inside = compare(&fd, lowers, &path, marks, opaque)?;
                if was_directory && inside.is_empty() && is_same_directory(&old, &new) {
                    continue;
                }
                ChangeKind::Changed
            }
        };
        found.push(Change { kind, path });
        found.append(&mut inside);
    }
    if opaque {
        let mut gone = BTreeSet::new();
        for lower in lowers {
            gone.extend(names(lower)?);
        }
        for name in &here {
            gone.remove(name);
        }
        for name in gone {
            if !lookup(lowers, &name, marks)?.is_empty() {
                found.push(Change { kind: ChangeKind::Deleted, path: path.join(name) });
            }
        }
    }
    Ok(found)
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
    let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
    let inode = (metadata.dev(), metadata.ino());
    if let Some(copy) = copies.get(&inode) {
        return fs::hard_link(copy, to).during("link", to.display());
    }
    let kind = SFlag::from_bits_truncate(metadata.mode() & SFlag::S_IFMT.bits());
    match kind {
        SFlag::S_IFDIR => {
            fs::create_dir(to).during("mkdir", to.display())?;
            copy_content(from, to, copies)?;
        }
        SFlag::S_IFLNK => {
            let leads_to = fs::read_link(from).during("readlink", from.display())?;
            symlink(leads_to, to).during("symlink", to.display())?;
        }
        SFlag::S_IFREG => {
            fs::copy(from, to).during("copy", to.display())?;
        }
        _ => mknod(to, kind, Mode::empty(), metadata.rdev()).during("mknod", to.display())?,
    }
    if kind != SFlag::S_IFDIR && metadata.nlink() > 1 {
        copies.insert(inode, to.to_owned());
    }
    take_after(from, &metadata, to)
}
