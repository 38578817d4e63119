//! What there is to see of a tree of files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::image::Digest;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Kind and permissions.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Its names; 0 of a directory, where each file system counts as it likes.
    pub links: u64,
    /// Seconds, and nanoseconds of a second.
    pub changed: (i64, i64),
    /// Of a device.
    pub device: u64,
    /// Extended attributes.
    pub attributes: BTreeMap<OsString, Vec<u8>>,
    /// Of what is in it, or where it leads.
    pub content: Digest,
}

/// Every file in `root`, and itself, by its path from there.
///
/// # Errors
/// What the kernel says.
pub fn tree(root: &Path) -> io::Result<BTreeMap<PathBuf, File>> {
    let mut seen = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let file = fs::symlink_metadata(&path)?;
        let content = match file.file_type() {
            kind if kind.is_file() => fs::read(&path)?,
            kind if kind.is_symlink() => fs::read_link(&path)?.into_os_string().into_vec(),
            _ => Vec::new(),
        };
        if file.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
        let attributes =
            xattr::list(&path)?.map(|name| Ok((name.clone(), xattr::get(&path, name)?.unwrap_or_default())));
        let file = File {
            mode: file.mode(),
            owner: (file.uid(), file.gid()),
            links: if file.is_dir() { 0 } else { file.nlink() },
            changed: (file.mtime(), file.mtime_nsec()),
            device: file.rdev(),
            attributes: attributes.collect::<io::Result<_>>()?,
            content: Digest::of(&content),
        };
        seen.insert(path.strip_prefix(root).unwrap_or(&path).to_owned(), file);
    }
    Ok(seen)
}
