//! Files that hold images: what `docker save` writes, and OCI image layouts, as an archive or as a directory.

mod layout;
mod load;
mod save;

pub(crate) use layout::{describe, manifest};
pub use load::{import, load};
pub use save::save;

use std::collections::HashMap;
use std::path::PathBuf;

use model::image::Digest;

use crate::name::Name;

/// What was found in a file or directory: small documents by their paths, and the digests of everything else that was put into
/// the store.
#[derive(Debug, Default)]
struct Found {
    /// By path.
    documents: HashMap<String, Vec<u8>>,
    /// What is in the store by now, by path.
    blobs: HashMap<String, Stored>,
    /// Symbolic links, by path.
    links: HashMap<String, String>,
    /// The directory, where it is one: it has the blobs that are not in the store.
    layout: Option<PathBuf>,
}

/// A blob of the store.
#[derive(Debug, Clone, Copy)]
struct Stored {
    digest: Digest,
    size_bytes: u64,
    /// Told by its first bytes.
    media_type: &'static str,
}

/// An image that a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    manifest: Digest,
    names: Vec<Name>,
}
