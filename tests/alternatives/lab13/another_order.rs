//! Lab 13 in another order: the way to an entry is walked name by name, with no help from openat2(2); files are finished by
//! their descriptor; whiteouts are made when they come, and give way to what comes later; a layer is listed whole before the
//! first entry of it is written.
//!
//! alternative: whole file

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, fchown, lchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::image::{Archive, ArchiveWriter, Blob, Content, Digest, Hash, Item, ItemKind, Marker};
use model::layer::{Marks, is_opaque};
use model::tree::{kind, open_directory, place};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, fstat, major, makedev, minor, mkdirat, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::linkat;

/// See the solution.
pub fn read(blob: &mut Blob, buffer: &mut [u8]) -> Result<usize> {
    // One byte more than there should be is asked for, and no second one.
    let left = (blob.size_bytes - blob.read_bytes).saturating_add(1);
    let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    if most == 0 {
        return Ok(0);
    }
    let count = blob.source.read(&mut buffer[..most]).during("read", blob.digest)?;
    if count as u64 == left {
        return Err(Error::invalid("blob", blob.digest.to_string(), format!("no more than {} bytes", blob.size_bytes)));
    }
    if count > 0 {
        blob.hash.update(&buffer[..count]);
        blob.read_bytes += count as u64;
        return Ok(count);
    }
    if blob.read_bytes < blob.size_bytes {
        return Err(Error::invalid("blob", blob.digest.to_string(), format!("no less than {} bytes", blob.size_bytes)));
    }
    let seen: [u8; 32] = blob.hash.clone().finalize().into();
    match seen == blob.digest.0 {
        true => Ok(0),
        false => Err(Error::invalid("blob", Digest(seen).to_string(), format!("the digest {}", blob.digest))),
    }
}

/// See the solution.
pub fn marker(name: &OsStr) -> Result<Marker<'_>> {
    let bytes = name.as_bytes();
    if bytes == b".wh..wh..opq" {
        Ok(Marker::Opaque)
    } else if bytes.starts_with(b".wh..wh.") {
        Ok(Marker::Ignored)
    } else if matches!(bytes, b".wh." | b".wh.." | b".wh...") {
        Err(Error::invalid("whiteout", name.to_string_lossy(), "one that hides a name"))
    } else if bytes.starts_with(b".wh.") {
        Ok(Marker::Hides(OsStr::from_bytes(&bytes[4..])))
    } else {
        Ok(Marker::Plain)
    }
}

/// See the solution.
pub fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, OsString)> {
    walk(root, path, true, None)
}

/// As [`open_parent`], but that only `makes` what is missing if so told. With `marks`, a whiteout on the way becomes an opaque
/// directory.
fn walk(root: BorrowedFd<'_>, path: &Path, makes: bool, marks: Option<Marks>) -> Result<(OwnedFd, OsString)> {
    let is_named = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.as_os_str().is_empty() || !path.components().all(|part| is_named(&part)) {
        return Err(Error::invalid("entry", path.to_string_lossy(), "a path from the root downwards"));
    }
    // What is to be walked, and whether the path itself says so: what a link says is not made.
    let mut ahead: VecDeque<(OsString, bool)> =
        path.iter().filter(|part| *part != ".").map(|part| (part.to_owned(), true)).collect();
    let last = ahead.pop_back().map_or_else(|| ".".into(), |(name, _)| name);
    // The directories walked through: `..` in a link goes back to one of these, and never asks the kernel.
    let mut behind = vec![root.try_clone_to_owned().during("dup", path.display())?];
    let mut links = 0;
    let stop = |errno: Errno| Err::<(), _>(errno).during("walk to", path.display());
    while let Some((name, is_own)) = ahead.pop_front() {
        if name == ".." {
            behind.pop();
            if behind.is_empty() {
                stop(Errno::EXDEV)?;
            }
            continue;
        }
        let here = behind[behind.len() - 1].as_fd();
        let look =
            || openat(here, name.as_os_str(), OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
        let found = match look() {
            Err(Errno::ENOENT) if is_own && makes => {
                mkdirat(here, name.as_os_str(), Mode::from_bits_retain(0o755)).during("mkdir", path.display())?;
                look()
            }
            found => found,
        };
        let found = found.during("walk to", path.display())?;
        let stat = fstat(&found).during("stat", path.display())?;
        match (kind(&stat), marks) {
            (SFlag::S_IFDIR, _) => behind.push(found),
            (SFlag::S_IFLNK, _) => {
                links += 1;
                let target = readlinkat(here, name.as_os_str()).during("readlink", path.display())?;
                if links > 40 {
                    stop(Errno::ELOOP)?;
                }
                if target.as_bytes().starts_with(b"/") {
                    stop(Errno::EXDEV)?;
                }
                for part in Path::new(&target).iter().filter(|part| *part != ".").collect::<Vec<_>>().into_iter().rev()
                {
                    ahead.push_front((part.to_owned(), false));
                }
            }
            (SFlag::S_IFCHR, Some(marks)) if stat.st_rdev == 0 => {
                let whiteout = place(here).join(&name);
                fs::remove_file(&whiteout)
                    .and_then(|()| fs::create_dir(&whiteout))
                    .during("replace", path.display())?;
                set_opaque(&whiteout, marks)?;
                ahead.push_front((name, is_own));
            }
            _ => stop(Errno::ENOTDIR)?,
        }
    }
    let parent = behind.pop().expect("the root is never left");
    Ok((parent, last))
}

/// See the solution.
pub fn put(
    root: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &OsStr,
    item: &Item,
    content: &mut Content<'_>,
) -> Result<()> {
    let (path, told) = (place(parent).join(name), item.path.display());
    let is_same_kind = |old: &Metadata| old.is_dir() && item.kind == ItemKind::Directory;
    match path.symlink_metadata() {
        Ok(old) if is_same_kind(&old) => {}
        Ok(old) if old.is_dir() => fs::remove_dir_all(&path).during("rmdir", &told)?,
        Ok(_) => fs::remove_file(&path).during("unlink", &told)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).during("stat", told),
    }
    match &item.kind {
        ItemKind::File { size_bytes } => {
            let file = File::create_new(&path).during("create", &told)?;
            fchown(&file, Some(item.uid), Some(item.gid)).during("chown", &told)?;
            pour(content, &file, *size_bytes).during("write", &told)?;
            return finish(&file, item);
        }
        ItemKind::Directory => {
            if !path.is_dir() {
                fs::create_dir(&path).during("mkdir", &told)?;
            }
            // Its owner may be about to lose the permission to look.
            fs::set_permissions(&path, Permissions::from_mode(0o700)).during("chmod", &told)?;
            let directory = File::open(&path).during("open", &told)?;
            fchown(&directory, Some(item.uid), Some(item.gid)).during("chown", &told)?;
            return finish(&directory, item);
        }
        ItemKind::Symlink(target) => symlink(target, &path).during("symlink", &told)?,
        ItemKind::HardLink(target) => {
            let (directory, old) = open_parent(root, target)?;
            let original = place(directory.as_fd()).join(&old);
            // A whiteout with another name would be one by that name too.
            let original = original.symlink_metadata().during("stat", target.display())?;
            if original.file_type().is_char_device() && original.rdev() == 0 {
                return Err(Error::invalid("hard link", told.to_string(), "one to something that is there"));
            }
            return linkat(directory, old.as_os_str(), parent, name, AtFlags::empty()).during("link", told);
        }
        ItemKind::Fifo => mknod(&path, SFlag::S_IFIFO, Mode::empty(), 0).during("mkfifo", &told)?,
        ItemKind::Char { major: 0, minor: 0 } => {
            return Err(Error::invalid("device", told.to_string(), "anything but a whiteout"));
        }
        ItemKind::Char { major, minor } | ItemKind::Block { major, minor } => {
            let is_block = matches!(item.kind, ItemKind::Block { .. });
            let kind = if is_block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
            match mknod(&path, kind, Mode::empty(), makedev(*major, *minor)) {
                Err(Errno::EPERM) => return Ok(()),
                made => made.during("mknod", &told)?,
            }
        }
    }
    // These are never opened: by their names, and no link is followed.
    lchown(&path, Some(item.uid), Some(item.gid)).during("chown", &told)?;
    for (key, value) in attributes(item) {
        xattr::set(&path, key, value).during("setxattr", &told)?;
    }
    if !matches!(item.kind, ItemKind::Symlink(_)) {
        fs::set_permissions(&path, Permissions::from_mode(item.mode)).during("chmod", &told)?;
    }
    set_time(&path, item.mtime)
}

/// Attributes, mode and time of a file or directory that is open, whose owner is right.
fn finish(file: &File, item: &Item) -> Result<()> {
    let told = item.path.display();
    for (key, value) in attributes(item) {
        xattr::FileExt::set_xattr(file, key, value).during("fsetxattr", &told)?;
    }
    fchmod(file, Mode::from_bits_truncate(item.mode)).during("fchmod", &told)?;
    let since = Duration::new(item.mtime.0.unsigned_abs(), 0);
    let seconds = match item.mtime.0 {
        ..0 => SystemTime::UNIX_EPOCH.checked_sub(since),
        0.. => SystemTime::UNIX_EPOCH.checked_add(since),
    };
    let time = seconds.and_then(|time| time.checked_add(Duration::from_nanos(item.mtime.1.into())));
    let time = time.ok_or_else(|| Error::invalid("time", item.mtime.0.to_string(), "one that there is"))?;
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time)).during("futimens", told)
}

fn attributes(item: &Item) -> impl Iterator<Item = (&OsString, &Vec<u8>)> {
    item.xattrs.iter().filter(|(key, _)| !is_overlays(key)).map(|(key, value)| (key, value))
}

fn is_overlays(key: &OsStr) -> bool {
    key.as_bytes().starts_with(b"trusted.overlay.") || key.as_bytes().starts_with(b"user.overlay.")
}

/// The file has its length first, and is all hole; what is not zero is written at its place.
fn pour(content: &mut Content<'_>, file: &File, size_bytes: u64) -> std::io::Result<()> {
    file.set_len(size_bytes)?;
    let (mut block, mut at) = (Vec::with_capacity(4096), 0);
    while at < size_bytes {
        block.clear();
        content.by_ref().take(4096).read_to_end(&mut block)?;
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(&block, at)?;
        }
        at += block.len() as u64;
    }
    Ok(())
}

fn set_time(path: &Path, (seconds, ns): (i64, u32)) -> Result<()> {
    let time = TimeSpec::new(seconds, ns.into());
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).during("utimensat", path.display())
}

fn set_opaque(directory: &Path, marks: Marks) -> Result<()> {
    xattr::set(directory, marks.opaque(), b"y").during("setxattr", directory.display())
}

/// See the solution.
pub fn apply(root: BorrowedFd<'_>, layer: &mut Archive<'_>, marks: Marks) -> Result<()> {
    let (mut hidden, mut times) = (BTreeSet::new(), BTreeMap::new());
    layer.each(|item, content| {
        let (parent, name) = walk(root, &item.path, true, Some(marks))?;
        let directory = place(parent.as_fd());
        match marker(&name)? {
            Marker::Ignored => Ok(()),
            Marker::Opaque => set_opaque(&directory.join("."), marks),
            Marker::Hides(name) => {
                let whiteout = directory.join(name);
                hidden.insert(item.path.with_file_name(name).components().collect::<PathBuf>());
                match whiteout.symlink_metadata() {
                    // The root was empty: this layer brought it.
                    Ok(own) if own.is_dir() => set_opaque(&whiteout, marks),
                    Ok(_) => Ok(()),
                    Err(_) => mknod(&whiteout, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", item.path.display()),
                }
            }
            Marker::Plain => {
                put(root, parent.as_fd(), &name, item, content)?;
                if item.kind == ItemKind::Directory {
                    let path: PathBuf = item.path.components().collect();
                    if hidden.contains(&path) {
                        set_opaque(&directory.join(&name), marks)?;
                    }
                    times.insert(path, item.mtime);
                }
                Ok(())
            }
        }
    })?;
    for (path, mtime) in times {
        // What was no error on the way in is none now: something else is there.
        let Ok((parent, name)) = walk(root, &path, false, None) else { continue };
        let path = place(parent.as_fd()).join(name);
        if path.symlink_metadata().is_ok_and(|seen| seen.is_dir()) {
            set_time(&path, mtime)?;
        }
    }
    Ok(())
}

/// See the solution.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut below = None;
    let mut chain = |own: &Digest| {
        let next = below.map_or(*own, |below: Digest| Digest::of(format!("{below} {own}").as_bytes()));
        below = Some(next);
        next
    };
    diff_ids.iter().map(&mut chain).collect()
}

/// See the solution.
pub fn write_layer(upper: BorrowedFd<'_>, marks: Marks, layer: &mut ArchiveWriter<'_>) -> Result<()> {
    let top = place(upper);
    let mut paths = Vec::new();
    list(&top, Path::new(""), marks, &mut paths)?;
    paths.sort();
    let mut first_names: HashMap<(u64, u64), PathBuf> = HashMap::new();
    for path in paths {
        let file = top.join(&path);
        if matches!(path.file_name().map(marker), Some(Ok(Marker::Hides(_) | Marker::Opaque))) {
            let kind = ItemKind::File { size_bytes: 0 };
            layer.append(&Item { path, kind, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs: vec![] }, None)?;
            continue;
        }
        let seen = file.symlink_metadata().during("stat", path.display())?;
        let inode = (seen.dev(), seen.ino());
        let device = (major(seen.rdev()), minor(seen.rdev()));
        let mut text = None;
        let kind = match seen.file_type() {
            _ if !seen.is_dir() && first_names.contains_key(&inode) => ItemKind::HardLink(first_names[&inode].clone()),
            kind if kind.is_dir() => ItemKind::Directory,
            kind if kind.is_symlink() => ItemKind::Symlink(file.read_link().during("readlink", path.display())?),
            kind if kind.is_fifo() => ItemKind::Fifo,
            kind if kind.is_char_device() => ItemKind::Char { major: device.0, minor: device.1 },
            kind if kind.is_block_device() => ItemKind::Block { major: device.0, minor: device.1 },
            _ => {
                text = Some(File::open(&file).during("open", path.display())?);
                ItemKind::File { size_bytes: seen.len() }
            }
        };
        first_names.entry(inode).or_insert_with(|| path.clone());
        let mut xattrs = Vec::new();
        for key in xattr::list(&file).during("listxattr", path.display())? {
            let value = xattr::get(&file, &key).during("getxattr", path.display())?;
            xattrs.extend(value.filter(|_| !is_overlays(&key) && key != "security.selinux").map(|value| (key, value)));
        }
        xattrs.sort();
        let mtime = (seen.mtime(), u32::try_from(seen.mtime_nsec()).unwrap_or(0));
        let (mode, uid, gid) = (seen.mode() & 0o7777, seen.uid(), seen.gid());
        layer.append(&Item { path, kind, mode, uid, gid, mtime, xattrs }, text.as_ref())?;
    }
    Ok(())
}

/// The paths of all that the layer below `top` is to have in its directory `path`, marks by the names they have in archives.
fn list(top: &Path, path: &Path, marks: Marks, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(top.join(path)).during("readdir", path.display())? {
        let entry = entry.during("readdir", path.display())?;
        let seen = entry.metadata().during("stat", path.display())?;
        let own = path.join(entry.file_name());
        if seen.file_type().is_char_device() && seen.rdev() == 0 {
            let mut name = OsString::from(".wh.");
            name.push(entry.file_name());
            paths.push(path.join(name));
        } else if !seen.file_type().is_socket() {
            paths.push(own.clone());
        }
        if seen.is_dir() {
            if is_opaque(open_directory(&entry.path())?.as_fd(), marks)? {
                paths.push(own.join(".wh..wh..opq"));
            }
            list(top, &own, marks, paths)?;
        }
    }
    Ok(())
}
