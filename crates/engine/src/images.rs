//! Which images there are: what each is, and how people call it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use model::image::Digest;
use model::{During, Error, Result, on_disk};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::store::Store;

/// The images of a store, by their ids: the digests of their configurations, as Docker has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Images(pub BTreeMap<Digest, Record>);

/// What the store knows of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its manifest.
    pub manifest: Digest,
    /// Its names, whole ones. One name is one image's.
    pub names: BTreeSet<String>,
    /// Where it came from: names with the digest that a registry has it under.
    pub digests: BTreeSet<String>,
    /// When it came, in seconds since 1970.
    pub added_unix_s: u64,
}

impl Images {
    /// The image that `word` means: a name, or the first digits of an id.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when it means none; [`Error::Invalid`] when it means several, or is no name.
    pub fn find(&self, word: &str) -> Result<Digest> {
        let name = word.parse::<Name>();
        if let Some((id, _)) = name.as_ref().ok().and_then(|name| self.named(name)) {
            return Ok(*id);
        }
        let digits = word.strip_prefix("sha256:").unwrap_or(word);
        let is_id = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let ids: Vec<_> = self.0.keys().filter(|id| is_id && id.hex().starts_with(digits)).collect();
        match ids[..] {
            [id] => Ok(*id),
            [] if is_id || name.is_ok() => Err(Errno::ENOENT).during("find the image", word),
            [] => name.and(Err(Errno::ENOENT).during("find the image", word)),
            _ => Err(Error::invalid("image id", word, format!("more digits: {} images begin so", ids.len()))),
        }
    }

    /// Whether some image may go by `word`: it is part of a name. Cheaper than to take it for a name, which compiles the grammar of
    /// names.
    #[must_use]
    pub fn may_mean(&self, word: &str) -> bool {
        self.0.values().flat_map(|record| &record.names).any(|name| name.contains(word))
    }

    /// The image with this name, and what is known of it.
    #[must_use]
    pub fn named(&self, name: &Name) -> Option<(&Digest, &Record)> {
        let whole = name.whole();
        let pinned = name.digest().map(|digest| name.with_digest(digest));
        self.0.iter().find(|(_, it)| {
            it.names.contains(&whole) || pinned.as_ref().is_some_and(|pinned| it.digests.contains(pinned))
        })
    }

    /// Gives the image `id` a name, and takes it from whoever has it.
    pub fn name(&mut self, id: &Digest, name: &Name) {
        let whole = name.whole();
        for record in self.0.values_mut() {
            record.names.remove(&whole);
        }
        if let Some(record) = self.0.get_mut(id) {
            record.names.insert(whole);
        }
    }

    /// Puts an image in, or renews it. What it was called stays.
    pub fn add(&mut self, id: &Digest, manifest: Digest) -> &mut Record {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let new = Record { manifest, names: BTreeSet::new(), digests: BTreeSet::new(), added_unix_s: now };
        let record = self.0.entry(*id).or_insert(new);
        record.manifest = manifest;
        record
    }
}

impl Store {
    /// The images that there are now.
    ///
    /// # Errors
    /// [`Error::Os`] when the list cannot be read.
    pub fn images(&self) -> Result<Images> {
        let path = self.root().join("images.json");
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Images::default()),
            text => serde_json::from_slice(&text.during("read", path.display())?)
                .map_err(io::Error::from)
                .during("read", path.display()),
        }
    }

    /// Changes the list of images, all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Os`], and what `change` refuses.
    pub fn change<T>(&self, change: impl FnOnce(&mut Images) -> Result<T>) -> Result<T> {
        let _alone = self.lock()?;
        let mut images = self.images()?;
        let answer = change(&mut images)?;
        let path = self.root().join("images.json");
        let text = serde_json::to_vec_pretty(&images).map_err(io::Error::from).during("write", path.display())?;
        on_disk::write_durably(&path, &text)?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_its_names_and_by_the_first_digits_of_its_id() {
        let (one, other) = (Digest([0x11; 32]), Digest([0x12; 32]));
        let (debian, web): (Name, Name) = ("debian".parse().unwrap(), "web:1".parse().unwrap());
        let mut images = Images::default();
        for id in [one, other] {
            images.add(&id, id);
        }
        images.name(&one, &debian);
        images.name(&one, &web);
        assert_eq!(images.find("debian:latest").unwrap(), one);
        images.name(&other, &debian);
        assert_eq!((images.find("docker.io/library/debian").unwrap(), images.find("web:1").unwrap()), (other, one));
        assert_eq!((images.find("11").unwrap(), images.find(&other.to_string()).unwrap()), (one, other));
        assert!(images.find("1").unwrap_err().to_string().contains("2 images begin so"));
        assert_eq!(images.find("web").unwrap_err().errno(), Some(Errno::ENOENT));
        assert!(images.find("./web").unwrap_err().to_string().contains("image name"));
    }
}
