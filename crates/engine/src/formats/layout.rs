//! Which images a file holds: by an OCI index, or by Docker's list. Source: image-spec, image-layout.md; Docker's image
//! specification 1.2, `manifest.json`.

use std::str::FromStr;

use model::Result;
use model::image::Digest;
use oci_spec::image::{Descriptor, DescriptorBuilder, Digest as OciDigest, ImageManifestBuilder, MediaType};
use serde::{Deserialize, Serialize};

use super::{Found, Listed, Stored};
use crate::blobs::{parse, parse_digest, refuse};
use crate::image::{Image, Platform, configuration, index, media_type, resolve};
use crate::name::Name;
use crate::store::Store;

/// Where containerd, and Docker with it, puts an image's whole name.
pub(super) const WHOLE_NAME: &str = "io.containerd.image.name";
/// Where OCI has a name: of a layout's own making, often the tag alone.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// One line of Docker's list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Line {
    pub config: String,
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    pub layers: Vec<String>,
}

/// The images of a file. Of both lists the OCI one counts, for it has the manifests; Docker's has the names.
pub(super) fn list(store: &Store, found: &Found, platform: &Platform) -> Result<Vec<Listed>> {
    let lines: Vec<Line> = match found.documents.get("manifest.json") {
        Some(text) => parse("read", "manifest.json", text)?,
        None => Vec::new(),
    };
    let Some(text) = found.documents.get("index.json") else {
        if lines.is_empty() {
            let why = "neither index.json (an OCI layout) nor manifest.json (docker save) is in there, with an image";
            return refuse("load", "the images", format!("{why}; a root file system's archive is for `import`"));
        }
        return lines.iter().map(|line| by_line(store, found, line)).collect();
    };
    let mut all: Vec<Listed> = Vec::new();
    let get = |digest: &Digest| found.document(store, digest);
    for descriptor in index(text, "index.json")?.manifests() {
        let manifest = resolve(descriptor.clone(), platform, |it| get(&parse_digest(it.digest().as_ref())?))?;
        let image = Image::read_by(&manifest, get)?;
        if let Some(missing) = image.layers.iter().find(|layer| !store.has_blob(layer) && found.path(layer).is_none()) {
            return refuse("load", manifest, format!("its layer {missing} is not in there"));
        }
        let names = names(descriptor, &lines, &image.id);
        match all.iter_mut().find(|listed| listed.manifest == manifest) {
            Some(listed) => listed.names.extend(names),
            None => all.push(Listed { manifest, names }),
        }
    }
    if all.is_empty() {
        return refuse("read", "index.json", "there is no image in it");
    }
    Ok(all)
}

/// What an image of an OCI layout is called.
fn names(descriptor: &Descriptor, lines: &[Line], id: &Digest) -> Vec<Name> {
    let id = id.hex();
    let own = lines.iter().filter(|line| line.config.contains(&id));
    let mut names: Vec<Name> =
        own.flat_map(|line| line.repo_tags.iter().flatten()).filter_map(|tag| tag.parse().ok()).collect();
    let note = |key: &str| descriptor.annotations().as_ref()?.get(key)?.parse::<Name>().ok();
    if names.is_empty() {
        names.extend(note(WHOLE_NAME).or_else(|| note(REF_NAME)));
    }
    names
}

/// An image of Docker's list: a manifest is made for it, for there is none.
fn by_line(store: &Store, found: &Found, line: &Line) -> Result<Listed> {
    let config = blob(found, &line.config)?;
    let layers = line.layers.iter().map(|path| blob(found, path)).collect::<Result<Vec<_>>>()?;
    configuration(&store.document(&config.digest)?, &config.digest)?;
    let config = descriptor(&config, media_type::CONFIGS[0])?;
    let layers = layers.iter().map(|layer| descriptor(layer, layer.media_type)).collect::<Result<Vec<_>>>()?;
    let manifest = store.put(&manifest(config, layers)?)?;
    let tags = line.repo_tags.iter().flatten();
    Ok(Listed { manifest, names: tags.map(|tag| tag.parse()).collect::<Result<_>>()? })
}

/// What the archive has by a path, behind links.
fn blob(found: &Found, path: &str) -> Result<Stored> {
    let mut path = path;
    for _ in 0..8 {
        match (found.blobs.get(path), found.links.get(path)) {
            (Some(stored), _) => return Ok(*stored),
            (None, Some(target)) => path = target,
            (None, None) => break,
        }
    }
    refuse("load", path, "manifest.json names it, and it is not in there")
}

/// A blob, as a manifest names it.
pub(crate) fn describe(digest: &Digest, size_bytes: u64, media_type: &str) -> Result<Descriptor> {
    let digest = OciDigest::from_str(&digest.to_string());
    let made = digest.and_then(|digest| {
        DescriptorBuilder::default().media_type(MediaType::from(media_type)).digest(digest).size(size_bytes).build()
    });
    made.or_else(|error| refuse("make", "a descriptor", error.to_string()))
}

fn descriptor(stored: &Stored, media_type: &str) -> Result<Descriptor> {
    describe(&stored.digest, stored.size_bytes, media_type)
}

/// The text of a manifest.
pub(crate) fn manifest(config: Descriptor, layers: Vec<Descriptor>) -> Result<Vec<u8>> {
    let kind = MediaType::from(media_type::MANIFESTS[0]);
    let manifest =
        ImageManifestBuilder::default().schema_version(2_u32).media_type(kind).config(config).layers(layers).build();
    let text = manifest.and_then(|manifest| manifest.to_string());
    text.map(String::into_bytes).or_else(|error| refuse("make", "a manifest", error.to_string()))
}
