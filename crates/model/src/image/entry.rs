//! An entry on the disk: what is given to the learner for lab 13, once its place is found.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, major, makedev, minor, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};

use super::{Content, Item, ItemKind};
use crate::error::{During, Error, Result};
use crate::tree::{kind, place};

/// The refusal of a path that does not stay below the root.
#[must_use]
pub fn leaves_the_root(path: &Path) -> Error {
    Error::invalid("path of an entry", path.to_string_lossy(), "a path below the root, without ..")
}

/// Whether `parent` has a directory by the name.
#[must_use]
pub fn is_directory(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| kind(&stat) == SFlag::S_IFDIR)
}

/// The directory that the entry `path` has gone to, and the entry's name in it; `.` for the root. Nothing is made; nothing is
/// found where the way is no more, since something that came later has taken the place of a directory on it.
///
/// # Errors
/// [`Error::Os`].
pub fn find_parent<'a>(root: BorrowedFd<'_>, path: &'a Path) -> Result<Option<(OwnedFd, &'a OsStr)>> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let way = Path::new(".").join(path.parent().unwrap_or(Path::new("")));
    let opened = (0..100).map(|_| openat2(root, &way, how)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
    match opened.unwrap_or(Err(Errno::EAGAIN)) {
        // Nothing is there, or a file, or a link that leads in a circle or out.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV) => Ok(None),
        opened => {
            let name = path.file_name().unwrap_or(OsStr::new("."));
            Ok(Some((opened.during("openat2", path.display())?, name)))
        }
    }
}

/// Removes what has the name of the entry, but for a directory that the entry is again.
///
/// # Errors
/// [`Error::Os`].
pub fn make_room(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> Result<()> {
    let old = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(()),
        old => old.during("stat", item.path.display())?,
    };
    let path = place(parent).join(name);
    match (kind(&old) == SFlag::S_IFDIR, &item.kind) {
        (true, ItemKind::Directory) => Ok(()),
        (true, _) => fs::remove_dir_all(path).during("remove", item.path.display()),
        (false, _) => fs::remove_file(path).during("remove", item.path.display()),
    }
}

/// Blocks of the file systems that images are unpacked on.
pub const BLOCK_BYTES: usize = 4096;

/// Writes `content`, and leaves holes where it has whole blocks of zeros.
///
/// # Errors
/// [`Error::Os`].
pub fn write_sparse(mut file: File, content: &mut Content<'_>, item: &Item) -> Result<()> {
    let &ItemKind::File { size_bytes } = &item.kind else { return Ok(()) };
    let mut buffer = vec![0; size_bytes.min(16 * BLOCK_BYTES as u64) as usize];
    let is_hole = |block: &[u8]| block.iter().all(|byte| *byte == 0);
    let (mut end, mut ends_in_hole) = (0, false);
    while end < size_bytes {
        let filled = fill(content, &mut buffer).during("read", item.path.display())?;
        let mut rest = &buffer[..filled];
        while !rest.is_empty() {
            ends_in_hole = is_hole(&rest[..BLOCK_BYTES.min(rest.len())]);
            let alike = rest.chunks(BLOCK_BYTES).take_while(|block| is_hole(block) == ends_in_hole);
            let (run, more) = rest.split_at(alike.map(<[u8]>::len).sum());
            let wrote = match ends_in_hole {
                true => file.seek(SeekFrom::Current(run.len() as i64)).map(drop),
                false => file.write_all(run),
            };
            wrote.during("write", item.path.display())?;
            rest = more;
        }
        end += filled as u64;
    }
    // It has to be told: nothing was written there.
    if ends_in_hole { file.set_len(size_bytes).during("ftruncate", item.path.display()) } else { Ok(()) }
}

/// Reads until `buffer` is full or the content at its end.
///
/// # Errors
/// What the source says.
pub fn fill(content: &mut Content<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Gives what has the name the owner, attributes, mode and time of the entry. In this order: a new owner takes away
/// set-user-ID bits and capabilities, and the time is changed by all of them.
///
/// # Errors
/// [`Error::Os`].
pub fn renew(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(item.uid), Gid::from_raw(item.gid));
    fchownat(parent, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).during("chown", item.path.display())?;
    let path = place(parent).join(name);
    for (key, value) in item.xattrs.iter().filter(|(key, _)| !is_overlays(key)) {
        xattr::set(&path, key, value).during("setxattr", format_args!("{} {}", item.path.display(), key.display()))?;
    }
    if !matches!(item.kind, ItemKind::Symlink(_)) {
        let mode = Mode::from_bits_truncate(item.mode);
        fchmodat(parent, name, mode, FchmodatFlags::FollowSymlink).during("chmod", item.path.display())?;
    }
    set_time(parent, name, item)
}

/// Gives what has the name the time of the entry.
///
/// # Errors
/// [`Error::Os`].
pub fn set_time(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> Result<()> {
    let time = TimeSpec::new(item.mtime.0, item.mtime.1.into());
    utimensat(parent, name, &time, &time, UtimensatFlags::NoFollowSymlink).during("utimensat", item.path.display())
}

/// Whether an attribute is overlayfs's note to itself. One that came with a layer could lead it to any directory.
#[must_use]
pub fn is_overlays(key: &OsStr) -> bool {
    [&b"trusted.overlay."[..], b"user.overlay."].iter().any(|own| key.as_bytes().starts_with(own))
}

/// Makes the device or the named pipe of an entry, without permissions.
///
/// # Errors
/// EPERM for a device in a user namespace.
pub fn make_node(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> nix::Result<()> {
    let (kind, number) = match item.kind {
        ItemKind::Char { major, minor } => (SFlag::S_IFCHR, makedev(major, minor)),
        ItemKind::Block { major, minor } => (SFlag::S_IFBLK, makedev(major, minor)),
        _ => (SFlag::S_IFIFO, 0),
    };
    mknodat(parent, name, kind, Mode::empty(), number)
}

impl Item {
    /// The entry that hides what is below by the name of `path`.
    #[must_use]
    pub fn whiteout(path: &Path) -> Item {
        let mut name = OsString::from(".wh.");
        name.extend(path.file_name());
        Item::mark(path.with_file_name(name))
    }

    /// The entry that says that the directory `path` is opaque.
    #[must_use]
    pub fn opaque(path: &Path) -> Item {
        Item::mark(path.join(".wh..wh..opq"))
    }

    /// Nothing but a name.
    fn mark(path: PathBuf) -> Item {
        let kind = ItemKind::File { size_bytes: 0 };
        Item { path, kind, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new() }
    }

    /// The entry for what `directory` has by `name`, which is `path` in the layer; nothing for a socket, which is no kind of entry.
    ///
    /// # Errors
    /// [`Error::Os`] for what cannot be looked at.
    pub fn of(directory: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Option<Item>> {
        let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).during("stat", path.display())?;
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match kind(&stat) {
            SFlag::S_IFDIR => ItemKind::Directory,
            SFlag::S_IFREG => ItemKind::File { size_bytes: u64::try_from(stat.st_size).unwrap_or(0) },
            SFlag::S_IFLNK => ItemKind::Symlink(readlinkat(directory, name).during("readlink", path.display())?.into()),
            SFlag::S_IFCHR => ItemKind::Char { major, minor },
            SFlag::S_IFBLK => ItemKind::Block { major, minor },
            SFlag::S_IFIFO => ItemKind::Fifo,
            _ => return Ok(None),
        };
        let ns = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        let (mode, uid, gid, mtime) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid, (stat.st_mtime, ns));
        let xattrs = attributes(&place(directory).join(name)).during("read the attributes of", path.display())?;
        Ok(Some(Item { path: path.into(), kind, mode, uid, gid, mtime, xattrs }))
    }
}

/// The attributes that are part of a layer, sorted: not overlayfs's own, and not the label of a security module, which is the
/// machine's.
fn attributes(file: &Path) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let names = match xattr::list(file) {
        // This file system keeps none.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Vec::new();
    for name in names.filter(|name| !is_overlays(name) && name != "security.selinux") {
        found.extend(xattr::get(file, &name)?.map(|value| (name, value)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{Archive, Owners};
    use super::*;

    /// The archive of one file.
    fn archive(content: &[u8]) -> Vec<u8> {
        let (mut header, mut bytes) = (tar::Header::new_ustar(), Vec::new());
        header.set_path("file").unwrap();
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(content);
        bytes
    }

    #[test]
    fn what_is_written_with_holes_is_what_was_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        // Every third piece is zeros, or nothing is, or all: pieces that are blocks, shorter and longer, and the last one cut off.
        for size_bytes in [0, 1, 4095, 4096, 4097, 8192, 65_535, 65_536, 65_537, 200_000] {
            for (piece, first, every) in
                [(4096, 0, 3), (4096, 1, 3), (4096, 2, 3), (999, 0, 3), (40_000, 1, 2), (1, 0, 1), (1, 1, 1 << 20)]
            {
                let content: Vec<u8> = (0..size_bytes).map(|at| u8::from((at / piece + first) % every != 0)).collect();
                Archive::new(&archive(&content)[..], Owners::Mine)
                    .each(|item, content| write_sparse(File::create(&path).unwrap(), content, item))
                    .unwrap();
                let seen = fs::read(&path).unwrap();
                assert!(seen == content, "{size_bytes} bytes, zeros from {first} every {every} of {piece}");
            }
        }
    }
}
