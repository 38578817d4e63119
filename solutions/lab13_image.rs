//! Lab 13: images, which are layers that travel.
//!
//! A layer comes as an archive from somebody whom nobody has to trust. It is believed when its digest is right, it is unpacked so
//! that nothing of it lands outside, and what it hides is hidden by the marks of lab 12. The way back makes the same bytes of
//! the same files, so that they get the same name.

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
    // task 1: read from blob.source, update blob.hash and blob.read_bytes; compare with size_bytes and, at the end (0 for a buffer that is not empty), with digest
    let count = blob.source.read(buffer).during("read", blob.digest)?;
    blob.hash.update(&buffer[..count]);
    blob.read_bytes += count as u64;
    let is_end = count == 0 && !buffer.is_empty();
    if blob.read_bytes > blob.size_bytes || (is_end && blob.read_bytes < blob.size_bytes) {
        let (seen, right) = (format!("{} bytes", blob.read_bytes), format!("{} has {}", blob.digest, blob.size_bytes));
        return Err(Error::invalid("size of a blob", seen, right));
    }
    if is_end {
        let seen = Digest(blob.hash.clone().finalize().into());
        if seen != blob.digest {
            let right = format!("{} was asked for: these are other bytes", blob.digest);
            return Err(Error::invalid("digest of a blob", seen.to_string(), right));
        }
    }
    Ok(count)
    // end task
}

/// What the last part of an entry's path means. Source: image-spec, layer.md, "Whiteouts"; `.wh..wh.` is AUFS's own.
///
/// # Errors
/// [`Error::Invalid`] for a whiteout of nothing, of `.` or of `..`.
pub fn marker(name: &OsStr) -> Result<Marker<'_>> {
    // task 2: .wh..wh..opq is Opaque, any other .wh..wh. Ignored, .wh.NAME Hides(NAME) unless NAME is empty, . or ..
    // nothing: Ok(Marker::Plain)
    let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
    match hidden {
        b".wh..opq" => Ok(Marker::Opaque),
        own if own.starts_with(b".wh.") => Ok(Marker::Ignored),
        b"" | b"." | b".." => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
        name => Ok(Marker::Hides(OsStr::from_bytes(name))),
    }
    // end task
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
    // task 3: collect the names of path.components(), refuse what is no name; openat2 with O_PATH | O_DIRECTORY and RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS for all but the last; on ENOENT make them one by one
    // nothing: Ok((root.try_clone_to_owned().during("dup", "the root")?, OsString::new()))
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(leaves(path)),
        }
    }
    if path.as_os_str().is_empty() {
        return Err(leaves(path));
    }
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let name = names.pop().unwrap_or(OsStr::new("."));
    let parent = names.iter().fold(PathBuf::from("."), |path, name| path.join(name));
    let directory = match openat2(root, &parent, how) {
        Err(Errno::ENOENT) => {
            let (mut on_the_way, mut directory) = (PathBuf::from("."), openat2(root, ".", how));
            for name in names {
                on_the_way.push(name);
                directory = openat2(root, &on_the_way, how).or_else(|errno| match errno {
                    Errno::ENOENT => mkdirat(directory?, name, Mode::from_bits_retain(0o755))
                        .and_then(|()| openat2(root, &on_the_way, how)),
                    other => Err(other),
                });
            }
            directory
        }
        there => there,
    };
    Ok((directory.during("openat2", path.display())?, name.to_owned()))
    // end task
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
    // task 4: make room; mkdirat, openat (O_CREAT | O_EXCL) and write, symlinkat, linkat, mknodat; then renew()
    make_room(parent, name, item)?;
    let node = |kind, major, minor| mknodat(parent, name, kind, Mode::empty(), makedev(major, minor));
    let made = match &item.kind {
        ItemKind::Directory => match mkdirat(parent, name, Mode::from_bits_retain(0o700)) {
            Err(Errno::EEXIST) => Ok(()),
            made => made,
        },
        ItemKind::File { .. } => {
            let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let file = openat(parent, name, new, Mode::from_bits_retain(0o600)).during("openat", item.path.display())?;
            write_sparse(file.into(), content, item)?;
            Ok(())
        }
        ItemKind::Symlink(target) => symlinkat(target, parent, name),
        ItemKind::HardLink(target) => {
            let (directory, old) = open_parent(root, target)?;
            // Another name for the same file: it has its owner and its mode.
            let linked = linkat(directory, old.as_os_str(), parent, name, AtFlags::empty());
            return linked.during("link", format_args!("{} to {}", item.path.display(), target.display()));
        }
        ItemKind::Char { major: 0, minor: 0 } => {
            return Err(Error::invalid("device", item.path.to_string_lossy(), "other numbers than 0, 0: that is a whiteout"));
        }
        ItemKind::Char { major, minor } | ItemKind::Block { major, minor } => {
            let is_char = matches!(item.kind, ItemKind::Char { .. });
            match node(if is_char { SFlag::S_IFCHR } else { SFlag::S_IFBLK }, *major, *minor) {
                Err(Errno::EPERM) => return Ok(()),
                made => made,
            }
        }
        ItemKind::Fifo => node(SFlag::S_IFIFO, 0, 0),
    };
    made.during("make", item.path.display())?;
    renew(parent, name, item)
    // end task
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
    // task 5: layer.each(): put() what is Plain, keep whiteouts and directories for later; then the whiteouts: a mark where nothing has come by the name, opaque where a directory has; at last the times of the directories
    let (mut hidden, mut opaque, mut directories) = (Vec::new(), Vec::new(), Vec::new());
    layer.each(|item, content| {
        let (parent, name) = open_parent(root, &item.path)?;
        match marker(&name)? {
            Marker::Plain => put(root, parent.as_fd(), &name, item, content)?,
            Marker::Hides(name) => hidden.push(item.path.with_file_name(name)),
            Marker::Opaque => opaque.push(item.path.with_file_name(".")),
            Marker::Ignored => {}
        }
        if item.kind == ItemKind::Directory {
            directories.push(item.clone());
        }
        Ok(())
    })?;
    for path in hidden {
        let (parent, name) = open_parent(root, &path)?;
        match mknodat(&parent, name.as_os_str(), SFlag::S_IFCHR, Mode::empty(), 0) {
            // It came with this layer, so it is what is seen; a directory would be merged with those below.
            Err(Errno::EEXIST) if is_directory(parent.as_fd(), &name) => opaque.push(path),
            Err(Errno::EEXIST) => {}
            made => made.during("mknod", path.display())?,
        }
    }
    for path in opaque {
        let (parent, name) = open_parent(root, &path)?;
        xattr::set(place(parent.as_fd()).join(name), marks.opaque(), b"y").during("setxattr", path.display())?;
    }
    // What is made in a directory changes its time.
    directories.iter().rev().try_for_each(|item| {
        let (parent, name) = open_parent(root, &item.path)?;
        if is_directory(parent.as_fd(), &name) { set_time(parent.as_fd(), &name, item) } else { Ok(()) }
    })
    // end task
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
    // task 6: fold: Digest::of() the text of both
    let mut chain: Vec<Digest> = Vec::new();
    for own in diff_ids {
        chain.push(chain.last().map_or(*own, |below| Digest::of(format!("{below} {own}").as_bytes())));
    }
    chain
    // end task
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
    // task 7: for each of names(), sorted: fstatat; a whiteout becomes .wh.NAME, a second name a HardLink, a directory is followed by .wh..wh..opq if it is opaque and by what is in it; sockets are left out
    for name in names(&directory.try_clone_to_owned().during("dup", path.display())?)? {
        let path = path.join(&name);
        let stat = fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).during("stat", path.display())?;
        let several = (kind(&stat) != SFlag::S_IFDIR && stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
        if kind(&stat) == SFlag::S_IFCHR && stat.st_rdev == 0 {
            let mut hides = OsString::from(".wh.");
            hides.push(&name);
            layer.append(&mark(&path.with_file_name(hides)), None)?;
            continue;
        }
        if let Some(first) = several.and_then(|file| written.get(&file)) {
            layer.append(&item(directory, &name, &path, &stat, ItemKind::HardLink(first.clone()))?, None)?;
            continue;
        }
        written.extend(several.map(|file| (file, path.clone())));
        let open = |flags| openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match kind(&stat) {
            SFlag::S_IFDIR => {
                layer.append(&item(directory, &name, &path, &stat, ItemKind::Directory)?, None)?;
                let inside = open(OFlag::O_DIRECTORY).during("open", path.display())?;
                if is_opaque(inside.as_fd(), marks)? {
                    layer.append(&mark(&path.join(".wh..wh..opq")), None)?;
                }
                write_directory(inside.as_fd(), &path, marks, layer, written)?;
                continue;
            }
            SFlag::S_IFREG => {
                let file = File::from(open(OFlag::O_RDONLY).during("open", path.display())?);
                let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
                layer.append(&item(directory, &name, &path, &stat, ItemKind::File { size_bytes })?, Some(&file))?;
                continue;
            }
            SFlag::S_IFLNK => ItemKind::Symlink(readlinkat(directory, name.as_os_str()).during("readlink", path.display())?.into()),
            SFlag::S_IFCHR => ItemKind::Char { major: device.0, minor: device.1 },
            SFlag::S_IFBLK => ItemKind::Block { major: device.0, minor: device.1 },
            SFlag::S_IFIFO => ItemKind::Fifo,
            // A socket is nothing without the process that listens.
            _ => continue,
        };
        layer.append(&item(directory, &name, &path, &stat, kind)?, None)?;
    }
    Ok(())
    // end task
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
