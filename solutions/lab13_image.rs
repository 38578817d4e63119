//! Lab 13: images, which are layers that travel.
//!
//! A layer is an archive from somebody whom nobody has to trust: it is believed when its digest is right, and unpacked so that
//! nothing lands outside. The way back makes the same bytes of the same files, so that they get the same name.

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
    // task 1: read on from blob.source into buffer, keep blob.hash and blob.read_bytes up to date, and refuse what is not the blob: Error::invalid()
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
    // task 2: tell by the bytes of the name which Marker it is; a whiteout of nothing, of . or of .. is none: Error::invalid()
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
/// What is missing on the way is made (mode 0755, less the umask); a symbolic link on the way is followed for as long as it stays
/// below `root`. Source: openat2(2), RESOLVE_BENEATH (Linux 5.6).
///
/// # Errors
/// [`Error::Invalid`] for a path that is absolute, empty, or has `..` in it; EXDEV for a link that leads out, ELOOP for links in
/// a circle, ENOTDIR for a file on the way, EEXIST for a link to nothing, EAGAIN when something is renamed at every try.
pub fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, OsString)> {
    // task 3: open the directory that path goes to, by openat2() and not out of root; make what is missing; entry::leaves_the_root() for a path that is none
    // nothing: Ok((root.try_clone_to_owned().during("dup", "the root")?, OsString::new()))
    let name = |part| if let Component::Normal(name) = part { Some(name) } else { None };
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let names = parts.map(name).collect::<Option<Vec<_>>>().filter(|_| path != "");
    let Some(mut names) = names else { return Err(entry::leaves_the_root(path)) };
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    // EAGAIN: something was renamed, anywhere, while the kernel took a link's `..`, and it cannot tell where that led.
    let open = |path: &Path| {
        let opened = (0..100).map(|_| openat2(root, path, how)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
        opened.unwrap_or(Err(Errno::EAGAIN))
    };
    let name = names.pop().unwrap_or(OsStr::new("."));
    let mut directory = open(&names.iter().fold(PathBuf::from("."), |path, name| path.join(name)));
    if directory.as_ref().is_err_and(|errno| *errno == Errno::ENOENT) {
        let mut way = PathBuf::from(".");
        directory = open(&way);
        for name in names {
            way.push(name);
            directory = open(&way).or_else(|errno| match errno {
                Errno::ENOENT => mkdirat(directory?, name, Mode::from_bits_retain(0o755)).and_then(|()| open(&way)),
                other => Err(other),
            });
        }
    }
    Ok((directory.during("openat2", path.display())?, name.to_owned()))
    // end task
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
    // task 4: make what item.kind says: entry::make_room(), write_sparse() and make_node() help, open_parent() finds what a hard link is of; then entry::renew()
    entry::make_room(parent, name, item)?;
    let made = match &item.kind {
        ItemKind::Directory => match mkdirat(parent, name, Mode::from_bits_retain(0o700)) {
            Err(Errno::EEXIST) => Ok(()),
            made => made,
        },
        ItemKind::File { .. } => {
            let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let file = openat(parent, name, new, Mode::from_bits_retain(0o600)).during("openat", item.path.display())?;
            entry::write_sparse(file.into(), content, item)?;
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
        ItemKind::Char { .. } | ItemKind::Block { .. } | ItemKind::Fifo => match entry::make_node(parent, name, item) {
            Err(Errno::EPERM) if item.kind != ItemKind::Fifo => return Ok(()),
            made => made,
        },
    };
    made.during("make", item.path.display())?;
    entry::renew(parent, name, item)
    // end task
}

/// Unpacks a layer into the empty directory `root`, in overlayfs's form: what it hides bears the marks of lab 12.
///
/// A whiteout hides what is in the layers below and nothing that comes with this one, whichever the archive has first.
/// Source: image-spec, layer.md, "Whiteouts".
///
/// # Errors
/// As [`marker`], [`open_parent`] and [`put`]; the first entry that is refused ends it.
pub fn apply(root: BorrowedFd<'_>, layer: &mut Archive<'_>, marks: Marks) -> Result<()> {
    // task 5: layer.each() entry to its place: open_parent(), marker(), put(); when all have come, the marks and the times of the directories: entry::find_parent(), is_directory(), set_time()
    let (mut hidden, mut opaque, mut directories) = (Vec::new(), Vec::new(), Vec::new());
    layer.each(|item, content| {
        let (parent, name) = open_parent(root, &item.path)?;
        match marker(&name)? {
            Marker::Plain => put(root, parent.as_fd(), &name, item, content)?,
            Marker::Hides(name) => hidden.push(item.path.with_file_name(name)),
            Marker::Opaque => opaque.push(item.path.clone()),
            Marker::Ignored => {}
        }
        if item.kind == ItemKind::Directory {
            // Its attributes are set, and of a million directories they would fill the memory.
            directories.push(Item { xattrs: Vec::new(), ..item.clone() });
        }
        Ok(())
    })?;
    // Where the place of a directory was taken since, its marks and its time are gone with it.
    for path in hidden {
        let Some((parent, name)) = entry::find_parent(root, &path)? else { continue };
        match mknodat(&parent, name, SFlag::S_IFCHR, Mode::empty(), 0) {
            // It came with this layer, so it is what is seen; a directory would be merged with those below.
            Err(Errno::EEXIST) if entry::is_directory(parent.as_fd(), name) => opaque.push(path.join(name)),
            Err(Errno::EEXIST) => {}
            made => made.during("mknod", path.display())?,
        }
    }
    for path in opaque {
        // The directory that it is in: the way there may be a link.
        let Some((directory, _)) = entry::find_parent(root, &path)? else { continue };
        xattr::set_deref(place(directory.as_fd()), marks.opaque(), b"y").during("setxattr", path.display())?;
    }
    // What is made in a directory changes its time. One that came twice has that of the last entry.
    directories.iter().try_for_each(|item| match entry::find_parent(root, &item.path)? {
        Some((parent, name)) if entry::is_directory(parent.as_fd(), name) => entry::set_time(parent.as_fd(), name, item),
        _ => Ok(()),
    })
    // end task
}

/// What the layers are called as they lie upon each other, the lowest first; `diff_ids` are the digests of their archives.
///
/// The first one's is its digest; each further one's is the digest of the text `BELOW OWN`, with one space, of the chain id below
/// and its own digest. Source: image-spec, config.md, "Layer ChainID".
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    // task 6: the chain id of each layer, the lowest first: Digest::of()
    // nothing: Vec::new()
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
    // task 7: append to layer, in the order of names(), what each is there: Item::of(), Item::whiteout(), Item::opaque(), is_opaque(); this function again for a directory
    for name in names(&directory.try_clone_to_owned().during("dup", path.display())?)? {
        let path = path.join(&name);
        let stat = fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).during("stat", path.display())?;
        let several = (kind(&stat) != SFlag::S_IFDIR && stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
        if kind(&stat) == SFlag::S_IFCHR && stat.st_rdev == 0 {
            layer.append(&Item::whiteout(&path), None)?;
            continue;
        }
        // A socket is no entry: it is nothing without the process that listens.
        let Some(mut item) = Item::of(directory, &name, &path)? else { continue };
        match several.and_then(|file| written.get(&file)) {
            Some(first) => item.kind = ItemKind::HardLink(first.clone()),
            None => written.extend(several.map(|file| (file, path.clone()))),
        }
        let open = |flags| openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
        match item.kind {
            ItemKind::Directory => {
                layer.append(&item, None)?;
                let inside = open(OFlag::O_DIRECTORY).during("open", path.display())?;
                if is_opaque(inside.as_fd(), marks)? {
                    layer.append(&Item::opaque(&path), None)?;
                }
                write_directory(inside.as_fd(), &path, marks, layer, written)?;
            }
            ItemKind::File { .. } => {
                let file = File::from(open(OFlag::O_RDONLY).during("open", path.display())?);
                layer.append(&item, Some(&file))?;
            }
            _ => layer.append(&item, None)?,
        }
    }
    Ok(())
    // end task
}
