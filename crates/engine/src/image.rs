//! What an image is: a manifest, which names a configuration and layers. Source: image-spec, manifest.md, config.md,
//! image-index.md; Docker's image manifest version 2, schema 2.

use model::image::Digest;
use model::{Error, Result};
use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, Os};

use crate::blobs::{parse, parse_digest, refuse};
use crate::store::Store;

/// The media types of what an image consists of.
pub mod media_type {
    /// A manifest, as OCI has it, and as Docker has it.
    pub const MANIFESTS: [&str; 2] =
        ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
    /// A list of manifests, one a platform.
    pub const INDEXES: [&str; 2] =
        ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
    /// A configuration.
    pub const CONFIGS: [&str; 2] =
        ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
    /// A layer that is not compressed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer in gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer in zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

    /// The type of a layer whose first bytes are these.
    #[must_use]
    pub fn of_layer(first: &[u8]) -> &'static str {
        match first {
            [0x1f, 0x8b, ..] => LAYER_GZIP,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => LAYER_ZSTD,
            _ => LAYER,
        }
    }
}

/// So many layers one container's root file system can have: their short names fit into one page of mount options.
const MOST_LAYERS: usize = 127;
/// An index may lead to an index, and this often.
const MOST_INDEXES: usize = 4;

/// An image, whole and checked.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its id: the digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub digest: Digest,
    /// What it consists of.
    pub manifest: ImageManifest,
    /// How it is to be run, and how it was made.
    pub config: ImageConfiguration,
    /// The digest of each layer, packed, the lowest first.
    pub layers: Vec<Digest>,
    /// The digest of each layer, unpacked.
    pub diff_ids: Vec<Digest>,
}

impl Image {
    /// Reads the image whose manifest is `digest` from the store.
    ///
    /// # Errors
    /// What is missing, damaged or cannot be right.
    pub fn read(store: &Store, digest: &Digest) -> Result<Image> {
        Image::read_by(digest, |digest| store.document(digest))
    }

    /// The same, from wherever `get` has its documents.
    pub(crate) fn read_by(digest: &Digest, get: impl Fn(&Digest) -> Result<Vec<u8>>) -> Result<Image> {
        let manifest = manifest(&get(digest)?, digest)?;
        let id = parse_digest(manifest.config().digest().as_ref())?;
        let config = configuration(&get(&id)?, &id)?;
        Image::new(*digest, manifest, config)
    }

    /// The image that a manifest and its configuration are, wherever they come from.
    ///
    /// # Errors
    /// What cannot be right.
    pub fn of(text: &[u8], config: &[u8]) -> Result<Image> {
        let digest = Digest::of(text);
        let manifest = manifest(text, &digest)?;
        let id = parse_digest(manifest.config().digest().as_ref())?;
        Image::new(digest, manifest, configuration(config, &id)?)
    }

    /// Checks that a manifest and a configuration belong together.
    ///
    /// # Errors
    /// What cannot be right.
    pub fn new(digest: Digest, manifest: ImageManifest, config: ImageConfiguration) -> Result<Image> {
        let digests = |all: Vec<&str>| all.into_iter().map(parse_digest).collect::<Result<Vec<_>>>();
        let layers = digests(manifest.layers().iter().map(|layer| layer.digest().as_ref()).collect())?;
        let diff_ids = digests(config.rootfs().diff_ids().iter().map(String::as_str).collect())?;
        if layers.len() != diff_ids.len() {
            let why = format!("it has {} layers, and its configuration tells of {}", layers.len(), diff_ids.len());
            return refuse("read the manifest", digest, why);
        }
        if layers.len() > MOST_LAYERS {
            let why = format!("{} layers: {MOST_LAYERS} are the most that a container can have", layers.len());
            return refuse("read the manifest", digest, why);
        }
        let id = parse_digest(manifest.config().digest().as_ref())?;
        Ok(Image { id, digest, manifest, config, layers, diff_ids })
    }

    /// The platform that it is for, as `linux/amd64`.
    #[must_use]
    pub fn platform(&self) -> String {
        format!("{}/{}", self.config.os(), self.config.architecture())
    }
}

/// Reads a manifest.
///
/// # Errors
/// What is none, or one of something that is no image.
pub(crate) fn manifest(text: &[u8], digest: &Digest) -> Result<ImageManifest> {
    let manifest: ImageManifest = parse("read the manifest", digest, text)?;
    let kind = manifest.media_type().as_ref().map_or(media_type::MANIFESTS[0].to_owned(), ToString::to_string);
    if !media_type::MANIFESTS.contains(&&*kind) || manifest.schema_version() != 2 {
        let why = format!("version {} of {kind}: that is no image manifest", manifest.schema_version());
        return refuse("read the manifest", digest, why);
    }
    let kind = manifest.config().media_type().to_string();
    if !media_type::CONFIGS.contains(&&*kind) {
        return refuse("read the manifest", digest, format!("its configuration is {kind}: that is no container image"));
    }
    Ok(manifest)
}

/// Reads a configuration.
///
/// # Errors
/// What is none.
pub(crate) fn configuration(text: &[u8], id: &Digest) -> Result<ImageConfiguration> {
    let config: ImageConfiguration = parse("read the configuration", id, text)?;
    if *config.os() != Os::Linux {
        return refuse("read the configuration", id, format!("it is for {}, and this is Linux", config.os()));
    }
    Ok(config)
}

/// What a registry or an OCI layout calls a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `amd64`, `arm64`.
    pub arch: Arch,
    /// `v7`, of `arm`.
    pub variant: Option<String>,
}

impl Platform {
    /// This machine's.
    #[must_use]
    pub fn own() -> Self {
        Platform { arch: Arch::default(), variant: None }
    }

    /// `linux/arm64`, `linux/arm/v7`, `arm64`.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split('/').collect();
        let (arch, variant) = match words[..] {
            ["linux", arch] => (arch, None),
            ["linux", arch, variant] => (arch, Some(variant.to_owned())),
            [arch] if arch != "linux" => (arch, None),
            _ => return Err(Error::invalid("--platform", text, "linux/amd64, linux/arm64, linux/arm/v7 and the like")),
        };
        Ok(Platform { arch: arch.into(), variant })
    }

    /// Whether `image` is for it.
    #[must_use]
    pub fn is_of(&self, image: &Image) -> bool {
        *image.config.architecture() == self.arch
    }

    /// Which of an index it is.
    fn fits(&self, descriptor: &Descriptor) -> bool {
        let Some(platform) = descriptor.platform() else { return false };
        let variant = self.variant.as_ref();
        *platform.os() == Os::Linux
            && *platform.architecture() == self.arch
            && variant.is_none_or(|variant| platform.variant().as_ref() == Some(variant))
    }
}

/// Follows an index, and those that it leads to, to the manifest for `platform`. `get` brings what is behind a digest.
///
/// # Errors
/// What `get` says; that there is nothing for the platform; that it goes on for too long.
pub fn resolve(
    mut descriptor: Descriptor,
    platform: &Platform,
    mut get: impl FnMut(&Descriptor) -> Result<Vec<u8>>,
) -> Result<Digest> {
    for _ in 0..MOST_INDEXES {
        let kind = descriptor.media_type().to_string();
        if media_type::MANIFESTS.contains(&&*kind) {
            return parse_digest(descriptor.digest().as_ref());
        }
        if !media_type::INDEXES.contains(&&*kind) {
            return refuse("read the index", descriptor.digest(), format!("{kind}: neither a manifest nor an index"));
        }
        descriptor = choose(&index(&get(&descriptor)?, descriptor.digest().as_ref())?, platform)?;
    }
    refuse("read the index", descriptor.digest(), "index leads to index, and so on: that is no image")
}

/// Where the index `text` leads to on `platform`: a manifest for each of its lines. `get` brings what is behind a digest.
///
/// # Errors
/// As [`resolve`], of the first line that is wrong.
pub fn resolve_all(
    text: &[u8],
    platform: &Platform,
    mut get: impl FnMut(&Digest) -> Result<Vec<u8>>,
) -> Result<Vec<Digest>> {
    let index = index(text, "index.json")?;
    let follow = |line: &Descriptor| resolve(line.clone(), platform, |it| get(&parse_digest(it.digest().as_ref())?));
    index.manifests().iter().map(follow).collect()
}

/// Reads an index.
///
/// # Errors
/// What is none.
pub fn index(text: &[u8], whose: &str) -> Result<ImageIndex> {
    parse("read the index", whose, text)
}

/// The one of an index that is for `platform`; of a single one that says no platform, that one.
fn choose(index: &ImageIndex, platform: &Platform) -> Result<Descriptor> {
    let all = index.manifests();
    if let [only] = &all[..]
        && only.platform().is_none()
    {
        return Ok(only.clone());
    }
    if let Some(found) = all.iter().find(|it| platform.fits(it)) {
        return Ok(found.clone());
    }
    let there: Vec<_> = all
        .iter()
        .filter_map(|it| it.platform().as_ref())
        .map(|it| written(it.os(), it.architecture(), it.variant().as_ref()))
        .collect();
    let asked = written(&Os::Linux, &platform.arch, platform.variant.as_ref());
    let why = format!("there is nothing for {asked}, and this is there: {}", there.join(", "));
    refuse("choose the platform", "--platform", why)
}

/// As `--platform` takes it.
fn written(os: &Os, arch: &Arch, variant: Option<&String>) -> String {
    let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{os}/{arch}{variant}")
}
