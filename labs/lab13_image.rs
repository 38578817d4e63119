//! Lab 13: images, which are layers that travel.
//!
//! A layer is an archive from somebody whom nobody has to trust: it is believed when its digest is right, and unpacked so that
//! nothing lands outside. The way back makes the same bytes of the same files, so that they get the same name.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use model::image::{Archive, ArchiveWriter, Blob, Content, Digest, Hash, Item, ItemKind, Marker, entry};
use model::layer::{Marks, is_opaque};
use model::tree::{kind, names, place};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat, mknodat};
use nix::unistd::{linkat, symlinkat};

/// Reads on in `blob`, as read(2) does: how many bytes of `buffer` are filled, 0 at the end.
///
/// What is read is hashed on the way, so that nothing is read twice. The end is only told when the blob is what it is called.
/// Source: image-spec, descriptor.md, "Verification".
///
/// # Errors
/// [`Error::Invalid`] for more bytes than the blob's, as soon as they come; at the end for fewer, or another digest.
pub fn read(blob: &mut Blob, buffer: &mut [u8]) -> Result<usize> {
    todo!("lab 13, task 1: read on from blob.source into buffer, keep blob.hash and blob.read_bytes up to date, and refuse what is not the blob: Error::invalid()")
}

/// What the last part of an entry's path means. Source: image-spec, layer.md, "Whiteouts"; `.wh..wh.` is AUFS's own.
///
/// # Errors
/// [`Error::Invalid`] for a whiteout of nothing, of `.` or of `..`.
pub fn marker(name: &OsStr) -> Result<Marker<'_>> {
    todo!("lab 13, task 2: tell by the bytes of the name which Marker it is; a whiteout of nothing, of . or of .. is none: Error::invalid()")
}

/// The directory that the entry `path` goes to, and the entry's name in it; `.` in the root itself for the root.
///
/// What is missing on the way is made (mode 0755, less the umask); a symbolic link on the way is followed for as long as it stays
/// below `root`. Source: openat2(2), RESOLVE_BENEATH (Linux 5.6).
///
/// # Errors
/// [`Error::Invalid`] for a path that is absolute, empty, or has `..` in it; EXDEV for a link that leads out, ELOOP for links in
/// a circle, ENOTDIR for a file on the way, EEXIST for a link to nothing, EAGAIN when something is renamed at every try.
pub fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, OsString)> {
    todo!("lab 13, task 3: open the directory that path goes to, by openat2() and not out of root; make what is missing; entry::leaves_the_root() for a path that is none")
}

/// Makes what `item` says by `name` in the directory `parent`, in the place of what has the name already; a directory in the
/// place of a directory keeps what is in it. `root` is where the target of a hard link is found.
///
/// A file's zeros that fill whole blocks take no space. A device that the caller may not make is left out: in a user namespace
/// nobody may, and a container gets a `/dev` of its own. A hard link leaves its file's owner, mode and time as they are.
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
    todo!("lab 13, task 4: make what item.kind says: entry::make_room(), write_sparse() and make_node() help, open_parent() finds what a hard link is of; then entry::renew()")
}

/// Unpacks a layer into the empty directory `root`, in overlayfs's form: what it hides bears the marks of lab 12.
///
/// A whiteout hides what is in the layers below and nothing that comes with this one, whichever the archive has first.
/// Source: image-spec, layer.md, "Whiteouts".
///
/// # Errors
/// As [`marker`], [`open_parent`] and [`put`]; the first entry that is refused ends it.
pub fn apply(root: BorrowedFd<'_>, layer: &mut Archive<'_>, marks: Marks) -> Result<()> {
    todo!("lab 13, task 5: layer.each() entry to its place: open_parent(), marker(), put(); when all have come, the marks and the times of the directories: entry::find_parent(), is_directory(), set_time()")
}

/// What the layers are called as they lie upon each other, the lowest first; `diff_ids` are the digests of their archives.
///
/// The first one's is its digest; each further one's is the digest of the text `BELOW OWN`, with one space, of the chain id below
/// and its own digest. Source: image-spec, config.md, "Layer ChainID".
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    todo!("lab 13, task 6: the chain id of each layer, the lowest first: Digest::of()")
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
    todo!("lab 13, task 7: append to layer, in the order of names(), what each is there: Item::of(), Item::whiteout(), Item::opaque(), is_opaque(); this function again for a directory")
}
