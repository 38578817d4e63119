//! What several boxwrights share on the disk: files that are there in one piece or not at all, and locks that die with the
//! processes that hold them.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{During, Result};

/// Writes `content` to `path` as JSON, for the owner alone. Others see all of it or nothing.
///
/// # Errors
/// [`crate::Error::Os`].
pub fn write_json(path: &Path, content: &(impl Serialize + ?Sized)) -> Result<()> {
    let new = path.with_extension("new");
    let text = serde_json::to_vec(content).map_err(io::Error::from).during("write", path.display())?;
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)
    };
    write().during("write", new.display())?;
    fs::rename(&new, path).during("rename", path.display())
}

/// What there is to know of a file; `None` when it is not there. Not known to be gone is not gone.
///
/// # Errors
/// [`crate::Error::Os`] for whatever else keeps it from being looked at.
pub fn stat(path: &Path) -> Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => metadata.map(Some).during("stat", path.display()),
    }
}

/// Whether `file` is what has the name `path` now.
///
/// # Errors
/// [`crate::Error::Os`].
pub fn is_at(path: &Path, file: &File) -> Result<bool> {
    let own = file.metadata().during("stat", path.display())?;
    Ok(stat(path)?.is_some_and(|now| (now.dev(), now.ino()) == (own.dev(), own.ino())))
}

/// All of a file of the kernel's, whose length nobody knows beforehand, in as few calls as it takes: two for the most of them.
///
/// # Errors
/// What read(2) says.
pub fn read_all(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    // Not asked for its length: it says 0.
    file.take(u64::MAX).read_to_end(&mut bytes).map(|_| bytes)
}

/// Writes `content` to `path`, so that it is there in one piece whenever the power goes: its own directory entry too.
///
/// # Errors
/// [`crate::Error::Os`].
pub fn write_durably(path: &Path, content: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().during("write", new.display())?;
    rename_durably(&new, path)
}

/// Gives `from`, whose content is on the disk, its name for good.
///
/// # Errors
/// [`crate::Error::Os`].
pub fn rename_durably(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).during("rename", to.display())?;
    let directory = to.parent().unwrap_or(Path::new("/"));
    File::open(directory).and_then(|directory| directory.sync_all()).during("fsync", directory.display())
}

/// What [`write_json`] has written.
///
/// # Errors
/// [`crate::Error::Os`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).during("read", path.display())?;
    serde_json::from_slice(&text).map_err(io::Error::from).during("read", path.display())
}

/// Waits until nobody else holds the lock `path`, and holds it for as long as the file is open.
///
/// # Errors
/// [`crate::Error::Os`].
pub fn lock(path: &Path) -> Result<File> {
    let lock = File::create(path).during("open", path.display())?;
    lock.lock().during("flock", path.display())?;
    Ok(lock)
}

/// Whether somebody holds the lock `path`.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|lock| lock.try_lock_shared().is_err())
}
