//! Layers as one tree, for those who cannot have an overlay, or do not want one.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use model::layer::{Marks, is_opaque};
use model::tree::take_after;
use model::{During, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, mknod};

/// Copies what an overlay of `layers`, the topmost first, would show into the empty directory `to`, which gets the owner and the
/// mode of `top`. The layers are the store's own: nobody changes them meanwhile.
///
/// # Errors
/// [`model::Error::Os`].
pub fn flatten(layers: &[PathBuf], top: &Path, to: &Path, marks: Marks) -> Result<()> {
    let mut copies = HashMap::new();
    copy_directory(layers, to, marks, &mut copies)?;
    let metadata = fs::symlink_metadata(top).during("stat", top.display())?;
    finish(top, &metadata, to, marks)
}

/// Where the copy of each file is that has several names, by its device and inode.
type Copies = HashMap<(u64, u64), PathBuf>;

fn copy_directory(layers: &[PathBuf], to: &Path, marks: Marks, copies: &mut Copies) -> Result<()> {
    let mut names = BTreeSet::new();
    for layer in layers {
        for entry in fs::read_dir(layer).during("readdir", layer.display())? {
            names.insert(entry.during("readdir", layer.display())?.file_name());
        }
    }
    names.iter().try_for_each(|name: &OsString| copy_one(&look(layers, name, marks)?, &to.join(name), marks, copies))
}

/// What there is by a name: nothing, a file, or the directories that are merged, the topmost first.
pub fn look(layers: &[PathBuf], name: &OsStr, marks: Marks) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for layer in layers {
        let path = layer.join(name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.during("stat", path.display())?,
        };
        let is_directory = metadata.is_dir();
        let is_whiteout = metadata.file_type().is_char_device() && metadata.rdev() == 0;
        if is_whiteout || (!is_directory && !found.is_empty()) {
            break;
        }
        let ends = !is_directory || is_opaque(File::open(&path).during("open", path.display())?.as_fd(), marks)?;
        found.push(path);
        if ends {
            break;
        }
    }
    Ok(found)
}

fn copy_one(found: &[PathBuf], to: &Path, marks: Marks, copies: &mut Copies) -> Result<()> {
    let Some(from) = found.first() else { return Ok(()) };
    let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
    let several = (!metadata.is_dir() && metadata.nlink() > 1).then_some((metadata.dev(), metadata.ino()));
    if let Some(copy) = several.and_then(|file| copies.get(&file)) {
        return fs::hard_link(copy, to).during("link", to.display());
    }
    match metadata.file_type() {
        kind if kind.is_dir() => {
            fs::create_dir(to).during("mkdir", to.display())?;
            copy_directory(found, to, marks, copies)?;
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
    finish(from, &metadata, to, marks)
}

/// Last: what is made in a directory changes its time. A mark means nothing where no layer is below.
fn finish(from: &Path, metadata: &Metadata, to: &Path, marks: Marks) -> Result<()> {
    take_after(from, metadata, to)?;
    if !metadata.is_dir() {
        return Ok(());
    }
    match xattr::remove(to, marks.opaque()) {
        Err(error) if error.raw_os_error().map(Errno::from_raw).is_some_and(is_without) => Ok(()),
        removed => removed.during("removexattr", to.display()),
    }
}

fn is_without(errno: Errno) -> bool {
    [Errno::ENODATA, Errno::EOPNOTSUPP].contains(&errno)
}
