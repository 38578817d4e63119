//! What nobody needs any more: found from what is needed, and removed while nobody adds anything.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use model::image::Digest;
use model::{During, Layers as Containers, Result};

use crate::blobs::names;
use crate::image::Image;
use crate::layers::{INIT, remove, short, size_of};
use crate::store::Store;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Unpacked layers.
    pub layers: usize,
    /// Blobs.
    pub blobs: usize,
    /// What they took.
    pub size_bytes: u64,
}

impl Store {
    /// Removes what no image and no container needs, and what killed processes have left; `None` when somebody holds the store
    /// at the moment, who may be about to need it.
    ///
    /// # Errors
    /// [`model::Error::Os`] for what cannot be removed; what is removed by then is.
    pub fn sweep(&self, containers: &Containers, chain_ids: fn(&[Digest]) -> Vec<Digest>) -> Result<Option<Freed>> {
        if !self.exists() {
            return Ok(Some(Freed::default()));
        }
        let Some(_alone) = self.alone()? else { return Ok(None) };
        let mut freed = Freed::default();
        let needed = self.needed(containers, chain_ids)?;
        for name in names(&self.root().join("layers"))? {
            let path = self.root().join("layers").join(&name);
            // A lock is nobody's now; what begins with a dot was not finished, or is half removed.
            if name.ends_with(".lock") {
                fs::remove_file(&path).during("remove", path.display())?;
            } else if name.starts_with('.') {
                freed.size_bytes += size_of(&path)?;
                remove(&path)?;
            } else if name != "l" && !needed.layers.contains(&name) {
                freed.size_bytes += self.remove_layer(&path)?;
                freed.layers += 1;
            }
        }
        for name in names(&self.root().join("flat"))? {
            let path = self.root().join("flat").join(&name);
            if name.ends_with(".lock") {
                fs::remove_file(&path).during("remove", path.display())?;
            } else if name.starts_with('.') || !needed.flat.contains(&path) {
                freed.size_bytes += size_of(&path)?;
                remove(&path)?;
            }
        }
        for name in names(&self.root().join("layers/l"))? {
            let link = self.root().join("layers/l").join(name);
            if !link.exists() {
                fs::remove_file(&link).during("remove", link.display())?;
            }
        }
        for name in names(&self.root().join("blobs/sha256"))? {
            if !needed.blobs.contains(&name) {
                freed.size_bytes += remove_file(&self.root().join("blobs/sha256").join(name))?;
                freed.blobs += 1;
            }
        }
        for name in names(&self.root().join("incoming"))? {
            freed.size_bytes += remove_file(&self.root().join("incoming").join(name))?;
        }
        Ok(Some(freed))
    }

    /// Removes a layer: first its name, so that half a layer has none.
    fn remove_layer(&self, path: &Path) -> Result<u64> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let gone = self.root().join("layers").join(format!(".gone-{name}"));
        remove(&gone)?;
        fs::rename(path, &gone).during("rename", path.display())?;
        let size_bytes = size_of(&gone)?;
        remove(&gone)?;
        Ok(size_bytes)
    }

    fn needed(&self, containers: &Containers, chain_ids: fn(&[Digest]) -> Vec<Digest>) -> Result<Needed> {
        let (blobs, flat) = (HashSet::new(), HashSet::new());
        let mut needed = Needed { layers: HashSet::from([INIT.to_owned()]), blobs, flat };
        let mut links: HashSet<PathBuf> = HashSet::new();
        for record in self.images()?.0.values() {
            // One that cannot be read keeps what it may be made of: nothing is known to be too much then.
            let image = Image::read(self, &record.manifest)?;
            needed.blobs.extend([image.id, image.digest].iter().chain(&image.layers).map(Digest::hex));
            let chain_ids = chain_ids(&image.diff_ids);
            needed.layers.extend(chain_ids.iter().map(Digest::hex));
            needed.flat.extend([false, true].map(|is_btrfs| self.flat(chain_ids.last(), is_btrfs)));
        }
        for name in containers.names()? {
            // One that is gone by now needs nothing.
            let Ok(kept) = containers.find(&name) else { continue };
            links.extend(kept.chain);
            needed.flat.insert(kept.lower);
        }
        for name in names(&self.root().join("layers"))? {
            let chain_id = format!("sha256:{name}").parse::<Digest>();
            if chain_id.is_ok_and(|chain_id| links.contains(&Path::new("l").join(short(&chain_id)))) {
                needed.layers.insert(name);
            }
        }
        Ok(needed)
    }
}

/// The names of what has to stay.
struct Needed {
    layers: HashSet<String>,
    blobs: HashSet<String>,
    flat: HashSet<PathBuf>,
}

fn remove_file(path: &Path) -> Result<u64> {
    let size_bytes = fs::metadata(path).map_or(0, |file| file.len());
    fs::remove_file(path).during("remove", path.display())?;
    Ok(size_bytes)
}
