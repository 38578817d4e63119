//! Registries: images from a machine that has them, and to it. Source: distribution-spec, spec.md.
//!
//! The runtime that waits for the network has no threads: it runs in those that bring a layer, and has ended with them.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::image::Digest;
use model::{During, Error, Result};
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol, LayerDescriptor};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::blobs::{Incoming, MOST_DOCUMENT_BYTES, parse, parse_digest, refuse};
use crate::formats::describe;
use crate::image::{Image, Platform, configuration, manifest, media_type, resolve};
use crate::layers::Verbs;
use crate::name::Name;
use crate::store::Store;
use crate::unpack::{AT_ONCE, is_unwanted, unpack};

/// A network is allowed to fail, and not forever.
const TRIES: u32 = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// Nothing at all for so long is a failure.
const SILENCE: Duration = Duration::from_secs(60);
const CHUNK_BYTES: u64 = 1 << 20;

/// What `pull` has brought.
#[derive(Debug)]
pub struct Pulled {
    /// The image, unpacked.
    pub image: Image,
    /// What the registry has under the name: its manifest, or the index that led to it.
    pub digest: Digest,
    /// Whether the name was another image's, or nobody's.
    pub is_new: bool,
}

/// Fetches an image, with a bar for each layer on a terminal, and unpacks it while it comes. When something fails, the layers
/// that have come whole stay, for the next try; they are nobody's until then, and are swept.
///
/// # Errors
/// What the registry refuses, what is not what its digest says, what cannot be right about the image.
pub fn pull(store: &Store, name: &Name, platform: &Platform, quiet: bool, verbs: Verbs<'_>) -> Result<Pulled> {
    let _held = store.hold()?;
    let registry = Registry::new(name, quiet)?;
    let Fetched { image, digest, manifest } = registry.fetch(store, platform)?;
    unpack(store, &image, verbs, &|digest, size_bytes, incoming| registry.bring(digest, size_bytes, incoming))?;
    store.put(&manifest)?;
    let is_new = store.change(|images| {
        let is_new = images.named(name).is_none_or(|(id, _)| *id != image.id);
        images.add(&image.id, image.digest).digests.insert(name.with_digest(digest));
        if name.digest().is_none() {
            images.name(&image.id, name);
        }
        Ok(is_new)
    })?;
    Ok(Pulled { image, digest, is_new })
}

/// Gives a registry what it lacks of an image, and then the manifest, under the tag of `name`. The answer is the manifest's size.
///
/// # Errors
/// [`Error::Invalid`] for a name without a tag; what the registry refuses.
pub fn push(store: &Store, image: &Image, name: &Name, quiet: bool) -> Result<u64> {
    if name.tag().is_none() || name.digest().is_some() {
        return Err(Error::invalid("image name", name.whole(), "a name with a tag and without a digest"));
    }
    let _held = store.hold()?;
    let registry = Registry::new(name, quiet)?;
    registry.runtime.block_on(async {
        registry.client.store_auth_if_needed(name.reference().resolve_registry(), &RegistryAuth::Anonymous).await;
        let blobs = stream::iter(image.layers.iter().chain([&image.id]));
        let sent = blobs.map(|digest| registry.send(store, digest)).buffer_unordered(AT_ONCE);
        sent.try_collect::<()>().await
    })?;
    let text = store.document(&image.digest)?;
    let (size_bytes, kind) = (text.len() as u64, kind_of(&text, &image.digest)?);
    let kind = kind.parse().map_err(io::Error::other).during("push", name)?;
    let sent = registry.runtime.block_on(registry.client.push_manifest_raw(name.reference(), text, kind));
    sent.map_err(told).during("push", name)?;
    Ok(size_bytes)
}

/// An image without its layers.
struct Fetched {
    image: Image,
    /// What is behind the name.
    digest: Digest,
    /// The image's own, as it came.
    manifest: Vec<u8>,
}

/// A conversation about one image.
struct Registry<'a> {
    name: &'a Name,
    client: Client,
    runtime: Runtime,
    bars: MultiProgress,
}

impl<'a> Registry<'a> {
    fn new(name: &'a Name, quiet: bool) -> Result<Self> {
        // Refused when somebody has chosen one before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol = if is_loopback(name.registry()) { ClientProtocol::Http } else { ClientProtocol::Https };
        let (connect_timeout, read_timeout) = (Some(CONNECT), Some(SILENCE));
        let user_agent = concat!("boxwright/", env!("CARGO_PKG_VERSION"));
        let config = ClientConfig { protocol, connect_timeout, read_timeout, user_agent, ..Default::default() };
        let client = Client::try_from(config).map_err(told).during("reach", name.registry())?;
        let runtime = Builder::new_current_thread().enable_all().build().during("start", "the network's runtime")?;
        // On what is no terminal they draw nothing.
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Ok(Registry { name, client, runtime, bars })
    }

    /// Asks for an image; of an index, for the one for `platform`. Its configuration is in the store then.
    fn fetch(&self, store: &Store, platform: &Platform) -> Result<Fetched> {
        let (top, text) = self.document(self.name.reference(), self.name.digest())?;
        let kind = kind_of(&text, &top)?;
        let by_digest = |digest: &str| -> Result<Vec<u8>> {
            if digest == top.to_string() {
                return Ok(text.clone());
            }
            let reference = self.name.reference().clone_with_digest(digest.to_owned());
            self.document(&reference, Some(digest)).map(|(_, text)| text)
        };
        let descriptor = describe(&top, text.len() as u64, &kind)?;
        let digest = resolve(descriptor, platform, |it| by_digest(it.digest().as_ref()))?;
        let text = by_digest(&digest.to_string())?;
        let manifest = manifest(&text, &digest)?;
        let (id, size_bytes) = (parse_digest(manifest.config().digest().as_ref())?, manifest.config().size());
        if size_bytes > MOST_DOCUMENT_BYTES {
            return refuse("pull", id, "larger than 4 MiB: no configuration");
        }
        if !store.has_blob(&id) {
            self.bring(id, size_bytes, store.incoming()?)?;
        }
        let image = Image::new(digest, manifest, configuration(&store.document(&id)?, &id)?)?;
        Ok(Fetched { image, digest: top, manifest: text })
    }

    /// A manifest or an index, as the bytes that the registry has, and their digest.
    fn document(&self, reference: &Reference, expected: Option<&str>) -> Result<(Digest, Vec<u8>)> {
        let accepted = [media_type::MANIFESTS, media_type::INDEXES].concat();
        let asked = || self.client.pull_manifest_raw(reference, &RegistryAuth::Anonymous, &accepted);
        let tried = self.runtime.block_on(trying(async || asked().await.map_err(told).during("pull", reference)));
        let (text, _) = tried?;
        let digest = Digest::of(&text);
        if expected.is_some_and(|expected| expected != digest.to_string()) {
            return refuse("pull", reference, format!("what the registry has there has the digest {digest}"));
        }
        if text.len() as u64 > MOST_DOCUMENT_BYTES {
            return refuse("pull", reference, "larger than 4 MiB: no manifest");
        }
        Ok((digest, text.to_vec()))
    }

    /// Writes a blob. A try goes on where the one before broke off.
    fn bring(&self, digest: Digest, size_bytes: u64, mut incoming: Incoming<'_>) -> Result<()> {
        let bar = self.bar(&digest, size_bytes);
        self.runtime.block_on(trying(async || self.try_bring(&digest, size_bytes, &mut incoming, &bar).await))?;
        incoming.finish(Some(&digest)).map(drop)
    }

    async fn try_bring(
        &self,
        digest: &Digest,
        size_bytes: u64,
        incoming: &mut Incoming<'_>,
        bar: &ProgressBar,
    ) -> Result<()> {
        // The manifest may say other places, which are nobody's that was asked for.
        let (text, urls) = (digest.to_string(), None);
        let layer = LayerDescriptor { digest: &text, urls: &urls };
        let (reference, had_bytes) = (self.name.reference(), incoming.size_bytes());
        let answer = match had_bytes {
            // With a wrong digest, by which it is refused, or whole: somebody was killed before he had said so.
            all if all >= size_bytes => return Ok(()),
            0 => self.client.pull_blob_stream(reference, &layer).await.map(BlobResponse::Full),
            _ => self.client.pull_blob_stream_partial(reference, &layer, had_bytes, None).await,
        };
        let (mut content, mut again_bytes) = match answer.map_err(told).during("pull", digest)? {
            BlobResponse::Full(content) => (content, had_bytes),
            BlobResponse::Partial(content) => (content, 0),
        };
        while let Some(mut bytes) = content.try_next().await.during("pull", digest)? {
            let again = bytes.split_to(bytes.len().min(again_bytes as usize));
            again_bytes -= again.len() as u64;
            if incoming.size_bytes() + bytes.len() as u64 > size_bytes {
                return refuse("pull", digest, format!("more than the {size_bytes} bytes that the manifest tells of"));
            }
            incoming.write_all(&bytes).during("write", digest)?;
            bar.set_position(incoming.size_bytes());
        }
        if incoming.size_bytes() < size_bytes {
            let why = format!("{} bytes, and the manifest tells of {size_bytes}", incoming.size_bytes());
            return refuse("pull", digest, why);
        }
        Ok(())
    }

    /// Gives the registry a blob, unless it has it.
    async fn send(&self, store: &Store, digest: &Digest) -> Result<()> {
        let (text, reference) = (digest.to_string(), self.name.reference());
        let has = async || self.client.blob_exists(reference, &text).await.map_err(told).during("push", digest);
        if trying(has).await? {
            return Ok(());
        }
        let (path, size_bytes) = (store.blob(digest), store.blob_bytes(digest)?);
        let bar = self.bar(digest, size_bytes);
        trying(async || {
            bar.set_position(0);
            let file = File::open(&path).during("open", path.display())?;
            let chunks = stream::unfold((file, bar.clone()), |(mut file, bar)| async move {
                let mut bytes = Vec::new();
                match (&mut file).take(CHUNK_BYTES).read_to_end(&mut bytes) {
                    Ok(0) => None,
                    Ok(count) => {
                        bar.inc(count as u64);
                        Some((Ok(bytes.into()), (file, bar)))
                    }
                    Err(error) => Some((Err(OciDistributionError::from(error)), (file, bar))),
                }
            });
            let sent = self.client.push_blob_stream(reference, chunks, &text, Some(size_bytes)).await;
            sent.map(|_| ()).map_err(told).during("push", digest)
        })
        .await
    }

    /// How far a blob has come.
    fn bar(&self, digest: &Digest, size_bytes: u64) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(size_bytes).with_prefix(digest.hex()[..12].to_owned()));
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {bytes}/{total_bytes}") {
            bar.set_style(style);
        }
        bar
    }
}

/// Does `work` until it is done or nobody wants it any more, and at most [`TRIES`] times; the last failure is the answer.
async fn trying<T>(mut work: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    for number in 1..TRIES {
        match work().await {
            Err(error) if !is_unwanted(&error) => tokio::time::sleep(Duration::from_millis(250) * number).await,
            ended => return ended,
        }
    }
    work().await
}

/// What a document says that it is; where it says nothing, what its fields are those of.
fn kind_of(text: &[u8], digest: &Digest) -> Result<String> {
    let value: Value = parse("read the manifest", digest, text)?;
    let is_index = value.get("manifests").is_some();
    let told = value.get("mediaType").and_then(Value::as_str);
    let unsaid = if is_index { media_type::INDEXES[0] } else { media_type::MANIFESTS[0] };
    Ok(told.unwrap_or(unsaid).to_owned())
}

/// Whether a registry is on this machine: nobody else hears what is said to it, and it needs no certificate.
fn is_loopback(registry: &str) -> bool {
    let port = registry.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = port.map_or(registry, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A failure, with what is behind it.
fn told(error: OciDistributionError) -> io::Error {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    io::Error::other(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for here in ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:5000"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["docker.io", "localhost.example:5000", "128.0.0.1:5000", "[::2]:5000", "127.0.0.1.example"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn what_says_nothing_is_told_by_its_fields() {
        let digest = Digest([0; 32]);
        let kind = |text: &str| kind_of(text.as_bytes(), &digest);
        assert_eq!(kind(r#"{"mediaType":"a/b"}"#).unwrap(), "a/b");
        assert_eq!(kind(r#"{"manifests":[]}"#).unwrap(), media_type::INDEXES[0]);
        assert_eq!(kind(r#"{"layers":[]}"#).unwrap(), media_type::MANIFESTS[0]);
        assert!(kind("<html>").is_err());
    }
}
