//! Layers, unpacked: each once, whichever images have it, by the digest of it and of all below it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use model::image::{Blob, Digest};
use model::{During, Result, on_disk};

use crate::blobs::refuse;
use crate::image::Image;
use crate::store::{Store, sync_file_system};

/// The layer that lies over an image's own, under what a container writes: places for what each container gets mounted.
pub const INIT: &str = "init";

/// A layer on its way: what it is to be, and where its bytes come from.
pub struct Packed<'a> {
    /// Its bytes, as they were packed, and what they have to be.
    pub blob: Blob,
    /// How they are packed.
    pub media_type: &'a str,
}

/// Unpacks a layer into the empty directory, and tells the digest of what was in the package.
pub type Unpack<'a> = dyn Fn(Packed<'_>, &Path) -> Result<Digest> + Sync + 'a;

/// What labs do for the store.
#[derive(Clone, Copy)]
pub struct Verbs<'a> {
    /// Unpacks.
    pub unpack: &'a Unpack<'a>,
    /// Names each layer together with those below it, from the digests of their content.
    pub chain_ids: fn(&[Digest]) -> Vec<Digest>,
}

/// The unpacked layers of a store.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    store: &'a Store,
}

impl Store {
    /// Its layers.
    #[must_use]
    pub fn layers(&self) -> Layers<'_> {
        Layers { store: self }
    }
}

impl Layers<'_> {
    /// The directory that all of them are in.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.store.root().join("layers")
    }

    /// The directory of the layer with this chain id.
    #[must_use]
    pub fn directory(&self, chain_id: &Digest) -> PathBuf {
        self.root().join(chain_id.hex())
    }

    /// What a container of an image lies on, from [`Layers::root`]: the topmost first, that for mount points before all.
    #[must_use]
    pub fn lowers(&self, chain_ids: &[Digest]) -> Vec<PathBuf> {
        let own = chain_ids.iter().rev().map(|chain_id| PathBuf::from("l").join(short(chain_id)));
        [PathBuf::from("l").join(INIT)].into_iter().chain(own).collect()
    }

    /// Sees to it that layer `number` of an image is there. Of several processes one unpacks it, and the others wait.
    ///
    /// # Errors
    /// What cannot be right about it; nothing of it is left then.
    pub fn make(
        &self,
        image: &Image,
        number: usize,
        verbs: Verbs<'_>,
        open: impl FnOnce() -> Result<Box<dyn Read + Send>>,
    ) -> Result<()> {
        let chain_ids = (verbs.chain_ids)(&image.diff_ids);
        let chain_id = &chain_ids[number];
        if self.is_there(chain_id)? {
            return Ok(());
        }
        let _alone = on_disk::lock(&self.root().join(format!(".{}.lock", chain_id.hex())))?;
        if self.is_there(chain_id)? {
            return Ok(());
        }
        let new = self.root().join(format!(".new-{}", chain_id.hex()));
        remove(&new)?;
        let descriptor = &image.manifest.layers()[number];
        let made = fs::create_dir_all(new.join("diff")).during("mkdir", new.display()).and_then(|()| {
            let packed = Packed {
                blob: Blob::new(open()?, image.layers[number], descriptor.size()),
                media_type: descriptor.media_type().as_ref(),
            };
            let diff_id = (verbs.unpack)(packed, &new.join("diff"))
                .or_else(|error| refuse("unpack layer", image.layers[number], error.to_string()))?;
            if diff_id != image.diff_ids[number] {
                let why = format!("it unpacks to {diff_id}, and the configuration says {}", image.diff_ids[number]);
                return refuse("unpack layer", image.layers[number], why);
            }
            let below: Vec<_> = chain_ids[..number].iter().rev().map(|id| format!("l/{}", short(id))).collect();
            write(&new.join("link"), &short(chain_id))?;
            write(&new.join("lower"), &below.join(":"))?;
            sync_file_system(&new)?;
            on_disk::rename_durably(&new, &self.directory(chain_id))
        });
        if made.is_err() {
            // The reason is the better story than what is left, which is swept.
            let _ = remove(&new);
        }
        made?;
        self.link(chain_id)
    }

    /// Sees to it that the layer for mount points is there.
    ///
    /// # Errors
    /// [`model::Error::Os`].
    pub fn make_init(&self) -> Result<()> {
        let directory = self.root().join(INIT);
        if self.root().join("l").join(INIT).exists() {
            return Ok(());
        }
        let _alone = on_disk::lock(&self.root().join(".init.lock"))?;
        let new = self.root().join(".new-init");
        remove(&new)?;
        for place in ["dev/pts", "dev/shm", "etc", "proc", "sys"] {
            let path = new.join("diff").join(place);
            fs::create_dir_all(&path).during("mkdir", path.display())?;
        }
        for file in ["etc/hostname", "etc/hosts", "etc/resolv.conf"] {
            write(&new.join("diff").join(file), "")?;
        }
        write(&new.join("link"), INIT)?;
        sync_file_system(&new)?;
        if !directory.exists() {
            on_disk::rename_durably(&new, &directory)?;
        }
        remove(&new)?;
        link_to(Path::new("../init/diff"), &self.root().join("l").join(INIT))
    }

    /// Whether a layer is there, and its link, which somebody may have been killed before.
    fn is_there(&self, chain_id: &Digest) -> Result<bool> {
        let is_there = self.directory(chain_id).is_dir();
        if is_there {
            self.link(chain_id)?;
        }
        Ok(is_there)
    }

    fn link(&self, chain_id: &Digest) -> Result<()> {
        let target = Path::new("..").join(chain_id.hex()).join("diff");
        link_to(&target, &self.root().join("l").join(short(chain_id)))
    }

    /// How much a layer takes, by the files in it.
    ///
    /// # Errors
    /// [`model::Error::Os`].
    pub fn size_bytes(&self, chain_id: &Digest) -> Result<u64> {
        let note = self.directory(chain_id).join("size");
        if let Some(size_bytes) = fs::read_to_string(&note).ok().and_then(|text| text.parse().ok()) {
            return Ok(size_bytes);
        }
        let size_bytes = size_of(&self.directory(chain_id).join("diff"))?;
        on_disk::write_durably(&note, size_bytes.to_string().as_bytes())?;
        Ok(size_bytes)
    }
}

/// The short name of a layer: 80 bits of its chain id, so that it is the same whoever makes it.
pub(crate) fn short(chain_id: &Digest) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let number = chain_id.0[..10].iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    (0..16).rev().map(|at| char::from(DIGITS[(number >> (at * 5)) as usize & 31])).collect()
}

/// The bytes of the files in a directory.
pub(crate) fn size_of(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let (mut total, mut seen) = (0, std::collections::HashSet::new());
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).during("readdir", directory.display())? {
            let entry = entry.during("readdir", directory.display())?;
            let file = entry.metadata().during("stat", entry.path().display())?;
            if file.is_dir() {
                open.push(entry.path());
            } else if file.nlink() == 1 || seen.insert((file.dev(), file.ino())) {
                // A sparse file may say that it is larger than the disk.
                total += file.len().min(file.blocks() * 512);
            }
        }
    }
    Ok(total)
}

/// A link at `path`, whoever else is about to make it.
fn link_to(target: &Path, path: &Path) -> Result<()> {
    match symlink(target, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.during("symlink", path.display()),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).during("write", path.display())
}

/// Removes a directory, when it is there.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.during("remove", directory.display()),
    }
}

/// Opens a blob of the store.
pub(crate) fn open_blob(store: &Store, digest: &Digest) -> Result<Box<dyn Read + Send>> {
    let path = store.blob(digest);
    Ok(Box::new(File::open(&path).during("open", path.display())?))
}
