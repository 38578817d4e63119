//! Lab 13 as somebody solved it who had seen the chapter, the starter, and the files beside it, and nothing else.
//!
//! alternative: whole file

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
    let count = blob.source.read(buffer).during("read", blob.digest)?;
    blob.hash.update(&buffer[..count]);
    blob.read_bytes += count as u64;
    let is_end = count == 0 && !buffer.is_empty();
    if blob.read_bytes > blob.size_bytes || (is_end && blob.read_bytes < blob.size_bytes) {
        let right = format!("{} bytes, as its descriptor says", blob.size_bytes);
        return Err(Error::invalid("size of a blob", blob.read_bytes.to_string(), right));
    }
    if is_end {
        let seen = Digest(blob.hash.clone().finalize().into());
        if seen != blob.digest {
            return Err(Error::invalid("digest of a blob", seen.to_string(), blob.digest.to_string()));
        }
    }
    Ok(count)
}

/// What the last part of an entry's path means. Source: image-spec, layer.md, "Whiteouts"; `.wh..wh.` is AUFS's own.
///
/// # Errors
/// [`Error::Invalid`] for a whiteout of nothing, of `.` or of `..`.
pub fn marker(name: &OsStr) -> Result<Marker<'_>> {
    let Some(rest) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
    match rest {
        b".wh..opq" => Ok(Marker::Opaque),
        b"" | b"." | b".." => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
        _ if rest.starts_with(b".wh.") => Ok(Marker::Ignored),
        _ => Ok(Marker::Hides(OsStr::from_bytes(rest))),
    }
}

/// The directory that the entry `path` goes to, and the entry's name in it; `.` in the root itself for the root.
///
/// What is missing on the way is made (mode 0755, less the umask); a symbolic link on the way is followed for as long as it stays
/// below `root`. Source: openat2(2), RESOLVE_BENEATH (Linux 5.6).
///
/// # Errors
/// [`Error::Invalid`] for a path that is absolute, empty, or has `..` in it; EXDEV for a link that leads out, ELOOP for links in
/// a circle, ENOTDIR for a file on the way, EEXIST for a link that leads to nothing.
pub fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, OsString)> {
    let (way, name) = split(path)?;
    match open_beneath(root, &way, path) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => {}
        directory => return Ok((directory?, name)),
    }
    let mut directory = open_beneath(root, Path::new(""), path)?;
    let mut so_far = PathBuf::new();
    for next in &way {
        so_far.push(next);
        // From the root each time: a link may lead up from where it is, and still be below the root.
        directory = match open_beneath(root, &so_far, path) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                mkdirat(&directory, next, Mode::from_bits_truncate(0o755)).during("mkdir", path.display())?;
                open_beneath(root, &so_far, path)?
            }
            opened => opened?,
        };
    }
    Ok((directory, name))
}

/// As [`open_parent`], but makes nothing: [`None`] for a directory that the layer has since put something else in the place of.
fn find_parent(root: BorrowedFd<'_>, path: &Path) -> Result<Option<(OwnedFd, OsString)>> {
    let (way, name) = split(path)?;
    match open_beneath(root, &way, path) {
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV)) => {
            Ok(None)
        }
        directory => Ok(Some((directory?, name))),
    }
}

/// The way to the directory that the entry `path` goes to, and the entry's name in it; `.` for the root.
///
/// # Errors
/// [`Error::Invalid`] for a path that leaves the root, by its text alone, and for one without any part.
fn split(path: &Path) -> Result<(PathBuf, OsString)> {
    let mut way = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => way.push(name),
            Component::CurDir => {}
            _ => return Err(entry::leaves_the_root(path)),
        }
    }
    match way.file_name().map(OsStr::to_owned) {
        Some(name) => {
            way.pop();
            Ok((way, name))
        }
        None if path.as_os_str().is_empty() => Err(entry::leaves_the_root(path)),
        None => Ok((way, ".".into())),
    }
}

/// Opens the directory `way`, the empty one being `root` itself; links on it are followed as long as they stay below `root`.
/// `path` is what errors are about.
fn open_beneath(root: BorrowedFd<'_>, way: &Path, path: &Path) -> Result<OwnedFd> {
    let way = if way.as_os_str().is_empty() { Path::new(".") } else { way };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    loop {
        match openat2(root, way, how) {
            // Somebody has renamed a directory on the way.
            Err(Errno::EAGAIN) => {}
            directory => return directory.during("openat2", path.display()),
        }
    }
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
    if item.kind == (ItemKind::Char { major: 0, minor: 0 }) {
        let right = "other numbers than 0, 0: that is a whiteout";
        return Err(Error::invalid("device", item.path.to_string_lossy(), right));
    }
    entry::make_room(parent, name, item)?;
    match &item.kind {
        ItemKind::Directory => match mkdirat(parent, name, Mode::from_bits_truncate(0o700)) {
            Err(Errno::EEXIST) => {}
            made => made.during("mkdir", item.path.display())?,
        },
        ItemKind::File { .. } => {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let file = openat(parent, name, flags, Mode::from_bits_truncate(0o600));
            entry::write_sparse(file.during("open", item.path.display())?.into(), content, item)?;
        }
        ItemKind::Symlink(target) => {
            symlinkat(target.as_path(), parent, name).during("symlink", item.path.display())?;
        }
        ItemKind::HardLink(target) => {
            let (directory, old) = open_parent(root, target)?;
            // It has the owner, the mode and the time of the first name.
            return linkat(&directory, old.as_os_str(), parent, name, AtFlags::empty())
                .during("link", format_args!("{} to {}", item.path.display(), target.display()));
        }
        ItemKind::Char { .. } | ItemKind::Block { .. } => match entry::make_node(parent, name, item) {
            // It is left out: there is nothing to renew.
            Err(Errno::EPERM) => return Ok(()),
            made => made.during("mknod", item.path.display())?,
        },
        ItemKind::Fifo => entry::make_node(parent, name, item).during("mknod", item.path.display())?,
    }
    entry::renew(parent, name, item)
}

/// Unpacks a layer into the empty directory `root`, in overlayfs's form: what it hides bears the marks of lab 12.
///
/// A whiteout hides what is in the layers below and nothing that comes with this one, whichever the archive has first.
/// Source: image-spec, layer.md, "Whiteouts".
///
/// # Errors
/// As [`marker`], [`open_parent`] and [`put`]; the first entry that is refused ends it.
pub fn apply(root: BorrowedFd<'_>, layer: &mut Archive<'_>, marks: Marks) -> Result<()> {
    let (mut hidden, mut opaque, mut directories) = (Vec::new(), Vec::new(), Vec::new());
    layer.each(|item, content| {
        let (parent, name) = open_parent(root, &item.path)?;
        match marker(&name)? {
            Marker::Plain => {
                put(root, parent.as_fd(), &name, item, content)?;
                directories.extend((item.kind == ItemKind::Directory).then(|| item.clone()));
            }
            Marker::Hides(below) => hidden.push(item.path.with_file_name(below)),
            Marker::Opaque => opaque.push(item.path.clone()),
            Marker::Ignored => {}
        }
        Ok(())
    })?;
    let hide_below = |directory: PathBuf, path: &Path| {
        xattr::set(directory, marks.opaque(), b"y").during("setxattr", path.display())
    };
    // All that the layer brings is there by now.
    for path in hidden {
        let Some((parent, name)) = find_parent(root, &path)? else { continue };
        match mknodat(&parent, name.as_os_str(), SFlag::S_IFCHR, Mode::empty(), 0) {
            Err(Errno::EEXIST) if entry::is_directory(parent.as_fd(), &name) => {
                hide_below(place(parent.as_fd()).join(name), &path)?;
            }
            // What the layer brings hides what is below.
            Err(Errno::EEXIST) => {}
            made => made.during("mknod", path.display())?,
        }
    }
    for path in opaque {
        let Some((parent, _)) = find_parent(root, &path)? else { continue };
        hide_below(place(parent.as_fd()).join("."), &path)?;
    }
    // Last: the whiteouts have changed the times of the directories that they are in.
    for item in directories {
        let Some((parent, name)) = find_parent(root, &item.path)? else { continue };
        if entry::is_directory(parent.as_fd(), &name) {
            entry::set_time(parent.as_fd(), &name, &item)?;
        }
    }
    Ok(())
}

/// What the layers are called as they lie upon each other, the lowest first; `diff_ids` are the digests of their archives.
///
/// The first one's is its digest; each further one's is the digest of the text `BELOW OWN`, with one space, of the chain id below
/// and its own digest. Source: image-spec, config.md, "Layer ChainID".
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for own in diff_ids {
        let id = chain.last().map_or(*own, |below| Digest::of(format!("{below} {own}").as_bytes()));
        chain.push(id);
    }
    chain
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
    for name in names(&directory.try_clone_to_owned().during("dup", path.display())?)? {
        let path = path.join(&name);
        let stat = fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).during("stat", path.display())?;
        // First, for whiteouts are nothing but names, and overlayfs may make one file of many.
        if kind(&stat) == SFlag::S_IFCHR && stat.st_rdev == 0 {
            layer.append(&Item::whiteout(&path), None)?;
            continue;
        }
        let Some(item) = Item::of(directory, &name, &path)? else { continue };
        let open = |flags| {
            openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
                .during("open", path.display())
        };
        if item.kind == ItemKind::Directory {
            let inner = open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            layer.append(&item, None)?;
            if is_opaque(inner.as_fd(), marks)? {
                layer.append(&Item::opaque(&path), None)?;
            }
            write_directory(inner.as_fd(), &path, marks, layer, written)?;
            continue;
        }
        let file = (stat.st_dev, stat.st_ino);
        if let Some(first) = written.get(&file) {
            layer.append(&Item { kind: ItemKind::HardLink(first.clone()), ..item }, None)?;
            continue;
        }
        let content = match item.kind {
            ItemKind::File { .. } => Some(File::from(open(OFlag::O_RDONLY)?)),
            _ => None,
        };
        layer.append(&item, content.as_ref())?;
        if stat.st_nlink > 1 {
            written.insert(file, path);
        }
    }
    Ok(())
}
