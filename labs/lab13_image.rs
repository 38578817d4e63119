//! Lab 13: images, which are layers that travel.
//!
//! A layer comes as an archive from somebody whom nobody has to trust. It is believed when its digest is right, it is unpacked so
//! that nothing of it lands outside, and what it hides is hidden by the marks of lab 12. The way back makes the same bytes of
//! the same files, so that they get the same name.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use model::image::{Archive, ArchiveWriter, Blob, Content, Digest, Hash, Item, ItemKind, Marker};
use model::layer::{Marks, is_opaque};
use model::tree::{kind, names, place};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, major, makedev, minor, mkdirat, mknodat,
    utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, linkat, symlinkat};

/// Reads on in `blob`, as read(2) does: how many bytes of `buffer` are filled, 0 at the end.
///
/// What is read is hashed on the way, so that nothing is read twice. The end is only told when the blob is what it is called.
/// Source: image-spec, descriptor.md, "Verification".
///
/// # Errors
/// [`Error::Invalid`] for more bytes than the blob's, as soon as they come; at the end for fewer, or another digest.
pub fn read(blob: &mut Blob, buffer: &mut [u8]) -> Result<usize> {
    todo!("lab 13, task 1: read from blob.source, update blob.hash and blob.read_bytes; compare with size_bytes and, at the end (0 for a buffer that is not empty), with digest")
}

/// What the last part of an entry's path means. Source: image-spec, layer.md, "Whiteouts"; `.wh..wh.` is AUFS's own.
///
/// # Errors
/// [`Error::Invalid`] for a whiteout of nothing, of `.` or of `..`.
pub fn marker(name: &OsStr) -> Result<Marker<'_>> {
    todo!("lab 13, task 2: .wh..wh..opq is Opaque, any other .wh..wh. Ignored, .wh.NAME Hides(NAME) unless NAME is empty, . or ..")
}

/// The directory that the entry `path` goes to, and the entry's name in it; `.` in the root itself for the root.
///
/// Directories that are missing on the way are made (mode 0755, less the umask). A symbolic link on the way is followed for as
/// long as it stays below `root`. Source: openat2(2), RESOLVE_BENEATH (Linux 5.6).
///
/// # Errors
/// [`Error::Invalid`] for a path that is absolute, empty, or has `..` in it; EXDEV for a link that leads out, ELOOP for links in
/// a circle, ENOTDIR for a file on the way, EEXIST for a link that leads to nothing.
pub fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, OsString)> {
    todo!("lab 13, task 3: collect the names of path.components(), refuse what is no name; openat2 with O_PATH | O_DIRECTORY and RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS for all but the last; on ENOENT make them one by one")
}

fn leaves(path: &Path) -> Error {
    Error::invalid("path of an entry", path.to_string_lossy(), "a path below the root, without ..")
}

/// Makes what `item` says by `name` in the directory `parent`, in the place of what has the name already; a directory in the
/// place of a directory keeps what is in it. `root` is where the target of a hard link is found.
///
/// A file's zeros that fill whole blocks take no space. A device that the caller may not make is left out: in a user namespace
/// nobody may, and a container gets a `/dev` of its own.
///
/// # Errors
/// [`Error::Invalid`] for the device 0, 0, which would be a whiteout, and as [`open_parent`] for the target of a hard link; ENOENT
/// when that is not there; EPERM for an owner that is not the caller's to give.
pub fn put(
    root: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &OsStr,
    item: &Item,
    content: &mut Content<'_>,
) -> Result<()> {
    todo!("lab 13, task 4: make room; mkdirat, openat (O_CREAT | O_EXCL) and write, symlinkat, linkat, mknodat; then renew()")
}

/// Removes what has the name of the entry, but for a directory that the entry is again.
fn make_room(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> Result<()> {
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
const BLOCK_BYTES: usize = 4096;

/// Writes `content`, and leaves holes where it has whole blocks of zeros.
fn write_sparse(mut file: File, content: &mut Content<'_>, item: &Item) -> Result<()> {
    let mut buffer = vec![0; 16 * BLOCK_BYTES];
    let (mut end, &ItemKind::File { size_bytes }) = (0, &item.kind) else { return Ok(()) };
    while end < size_bytes {
        let filled = fill(content, &mut buffer).during("read", item.path.display())?;
        for block in buffer[..filled].chunks(BLOCK_BYTES) {
            let wrote = match block.iter().all(|byte| *byte == 0) {
                true => file.seek(SeekFrom::Current(block.len() as i64)).map(drop),
                false => file.write_all(block),
            };
            wrote.during("write", item.path.display())?;
        }
        end += filled as u64;
    }
    // A hole at the end has to be told: nothing was written there.
    file.set_len(size_bytes).during("ftruncate", item.path.display())
}

/// Reads until `buffer` is full or the content at its end.
fn fill(content: &mut Content<'_>, buffer: &mut [u8]) -> std::io::Result<usize> {
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
fn renew(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> Result<()> {
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

fn set_time(parent: BorrowedFd<'_>, name: &OsStr, item: &Item) -> Result<()> {
    let time = TimeSpec::new(item.mtime.0, item.mtime.1.into());
    utimensat(parent, name, &time, &time, UtimensatFlags::NoFollowSymlink).during("utimensat", item.path.display())
}

/// Whether an attribute is overlayfs's note to itself. One that came with a layer could lead it to any directory.
fn is_overlays(key: &OsStr) -> bool {
    [&b"trusted.overlay."[..], b"user.overlay."].iter().any(|own| key.as_bytes().starts_with(own))
}

/// Unpacks a layer into the empty directory `root`, in overlayfs's form: what it hides bears the marks of lab 12.
///
/// A whiteout hides what is in the layers below and nothing that comes with this one, whichever the archive has first.
/// Source: image-spec, layer.md, "Whiteouts".
///
/// # Errors
/// As [`marker`], [`open_parent`] and [`put`]; the first entry that is refused ends it.
pub fn apply(root: BorrowedFd<'_>, layer: &mut Archive<'_>, marks: Marks) -> Result<()> {
    todo!("lab 13, task 5: layer.each(): put() what is Plain, keep whiteouts and directories for later; then the whiteouts: a mark where nothing has come by the name, opaque where a directory has; at last the times of the directories")
}

fn is_directory(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| kind(&stat) == SFlag::S_IFDIR)
}

/// What the layers are called as they lie upon each other, the lowest first; `diff_ids` are the digests of their archives.
///
/// The first one's is its digest; each further one's is the digest of the text `BELOW OWN`, with one space, of the chain id below
/// and its own digest. Source: image-spec, config.md, "Layer ChainID".
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    todo!("lab 13, task 6: fold: Digest::of() the text of both")
}

/// Writes what is in `upper`, an overlay's upper directory, as the archive of a layer. The same files give the same bytes: names
/// are sorted, and nothing of the machine gets in.
///
/// # Errors
/// [`Error::Os`] for what cannot be read.
pub fn write_layer(upper: BorrowedFd<'_>, marks: Marks, layer: &mut ArchiveWriter<'_>) -> Result<()> {
    write_directory(upper, Path::new(""), marks, layer, &mut HashMap::new())
}

/// Writes what is in `directory`, which is at `path` in the layer; `written` is where each file is that has several names.
fn write_directory(
    directory: BorrowedFd<'_>,
    path: &Path,
    marks: Marks,
    layer: &mut ArchiveWriter<'_>,
    written: &mut HashMap<(u64, u64), PathBuf>,
) -> Result<()> {
    todo!("lab 13, task 7: for each of names(), sorted: fstatat; a whiteout becomes .wh.NAME, a second name a HardLink, a directory is followed by .wh..wh..opq if it is opaque and by what is in it; sockets are left out")
}

/// A whiteout, or the mark of an opaque directory: nothing but a name.
fn mark(path: &Path) -> Item {
    let kind = ItemKind::File { size_bytes: 0 };
    Item { path: path.into(), kind, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new() }
}

/// The entry for what `directory` has by `name`.
fn item(directory: BorrowedFd<'_>, name: &OsStr, path: &Path, stat: &FileStat, kind: ItemKind) -> Result<Item> {
    let file = place(directory).join(name);
    let mut xattrs = Vec::new();
    let keys = match xattr::list(&file) {
        // This file system keeps none.
        Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => None,
        keys => Some(keys.during("listxattr", path.display())?),
    };
    // The label of a security module is the machine's.
    let is_machines = |key: &OsString| is_overlays(key) || key == "security.selinux";
    for key in keys.into_iter().flatten().filter(|key| !is_machines(key)) {
        let value = xattr::get(&file, &key).during("getxattr", path.display())?;
        xattrs.extend(value.map(|value| (key, value)));
    }
    xattrs.sort();
    let ns = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let (mode, uid, gid, mtime) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid, (stat.st_mtime, ns));
    Ok(Item { path: path.into(), kind, mode, uid, gid, mtime, xattrs })
}
