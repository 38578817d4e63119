//! Where images are.
//!
//! ```text
//! <data>/store/.lock                held while `images.json` is changed
//! <data>/store/.use                 locked, together with others, by whoever adds or uses something; alone by whoever removes
//! <data>/store/images.json          every image: its manifest, its names
//! <data>/store/blobs/sha256/HEX     manifests, configurations, layers as they were packed
//! <data>/store/incoming/            blobs on their way; one whose digest is known by that name, and locked by whoever writes it
//! <data>/store/layers/CHAIN/diff/   a layer, unpacked: what it adds to those below, as overlayfs has it
//! <data>/store/layers/CHAIN/link    its short name, because mount options must fit into a page
//! <data>/store/layers/CHAIN/lower   the short names of those below, the topmost first
//! <data>/store/layers/l/SHORT       a link to CHAIN/diff
//! <data>/store/flat/CHAIN/          all layers of an image as one tree, where a container was to have no overlay
//! ```
//!
//! Nothing is in two states: what has its name is whole, and on the disk. What has no name yet is nobody's, and is swept.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use model::image::Digest;
use model::volumes::data_dir;
use model::{During, Result, on_disk};

use crate::layers::remove;

/// The directory that holds every image.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// While this is held, nothing is removed from the store. The kernel lets go of it when the process ends.
#[derive(Debug)]
#[must_use]
pub struct InUse {
    _lock: File,
}

impl Store {
    /// The caller's, below [`data_dir`]. Nothing is made yet.
    #[must_use]
    pub fn of_the_caller() -> Self {
        Store { root: data_dir().join("store") }
    }

    /// The one in the directory `root`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Store { root: root.to_owned() }
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether anything was ever put in.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.root.join("layers").is_dir()
    }

    /// Makes its directories, and holds what is in it for as long as the answer lives.
    ///
    /// # Errors
    /// [`model::Error::Os`].
    pub fn hold(&self) -> Result<InUse> {
        for directory in ["blobs/sha256", "incoming", "layers/l"] {
            let path = self.root.join(directory);
            DirBuilder::new().recursive(true).mode(0o700).create(&path).during("mkdir", path.display())?;
        }
        let lock = self.open_lock(".use")?;
        lock.lock_shared().during("flock", self.root.join(".use").display())?;
        Ok(InUse { _lock: lock })
    }

    /// Has the store alone, to remove from it; `None` while somebody holds it.
    pub(crate) fn alone(&self) -> Result<Option<File>> {
        let lock = self.open_lock(".use")?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error).during("flock", self.root.join(".use").display()),
        }
    }

    /// The right to change `images.json`.
    pub(crate) fn lock(&self) -> Result<File> {
        on_disk::lock(&self.root.join(".lock"))
    }

    /// A file for locks: it stays when it is not there yet, and nobody's lock is lost.
    fn open_lock(&self, name: &str) -> Result<File> {
        let path = self.root.join(name);
        let mut options = File::options();
        options.create(true).truncate(false).write(true).open(&path).during("open", path.display())
    }
}

impl Store {
    /// Where the layers of an image with this topmost one are, or will be, as one tree; as a btrfs subvolume or as a directory.
    #[must_use]
    pub fn flat(&self, top: Option<&Digest>, is_btrfs: bool) -> PathBuf {
        let name = top.map_or_else(|| "empty".into(), Digest::hex);
        self.root.join("flat").join(if is_btrfs { name + ".btrfs" } else { name })
    }

    /// Sees to it that `flat` is there; of several processes one has `make` make it, under another name.
    ///
    /// # Errors
    /// What `make` refuses, of which nothing is left then.
    pub fn make_flat(&self, flat: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let name = flat.file_name().unwrap_or_default().to_string_lossy();
        let directory = self.root.join("flat");
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).during("mkdir", directory.display())?;
        let _alone = on_disk::lock(&directory.join(format!(".{name}.lock")))?;
        if flat.is_dir() {
            return Ok(());
        }
        let new = directory.join(format!(".new-{name}"));
        remove(&new)?;
        let made = make(&new).and_then(|()| sync_file_system(&directory));
        if made.is_err() {
            // The reason is the better story than what is left, which is swept.
            let _ = remove(&new);
        }
        made.and_then(|()| on_disk::rename_durably(&new, flat))
    }
}

/// Writes all that was written to the file system of `path` to the disk. Source: syncfs(2).
pub(crate) fn sync_file_system(path: &Path) -> Result<()> {
    let file = File::open(path).during("open", path.display())?;
    nix::unistd::syncfs(file).map_err(io::Error::from).during("syncfs", path.display())
}
