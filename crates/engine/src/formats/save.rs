//! `save`: images into one file that is both an OCI layout and what `docker load` reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};

use model::image::Digest;
use model::{During, Result};
use serde_json::json;

use super::layout::{Line, REF_NAME, WHOLE_NAME};
use crate::image::{Image, media_type};
use crate::name::Name;
use crate::store::Store;

/// Writes images, each with the names that it is to have there. The same images are the same bytes.
///
/// # Errors
/// What cannot be read or written.
pub fn save(store: &Store, images: &[(Image, Vec<Name>)], to: impl Write) -> Result<()> {
    let mut archive = tar::Builder::new(to);
    let mut written = BTreeSet::new();
    for (image, _) in images {
        for digest in [image.digest, image.id].iter().chain(&image.layers) {
            if written.insert(*digest) {
                let path = store.blob(digest);
                let file = File::open(&path).during("open", path.display())?;
                append(&mut archive, &path_of(digest), store.blob_bytes(digest)?, file)?;
            }
        }
    }
    for (path, text) in [
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string()),
        ("index.json", index(store, images)?),
        ("manifest.json", list(images)?),
    ] {
        append(&mut archive, path, text.len() as u64, text.as_bytes())?;
    }
    archive.into_inner().and_then(|mut to| to.flush()).during("write", "the archive")
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, size_bytes: u64, content: impl Read) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size_bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, path, content).during("write", path)
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The OCI index: an entry for each name.
fn index(store: &Store, images: &[(Image, Vec<Name>)]) -> Result<String> {
    let mut manifests = Vec::new();
    for (image, names) in images {
        let kind = image.manifest.media_type().as_ref().map(ToString::to_string);
        let entry = json!({
            "mediaType": kind.unwrap_or_else(|| media_type::MANIFESTS[0].to_owned()),
            "digest": image.digest.to_string(),
            "size": store.blob_bytes(&image.digest)?,
        });
        let named = names.iter().map(|name| {
            let mut entry = entry.clone();
            entry["annotations"] = json!({WHOLE_NAME: name.whole(), REF_NAME: name.tag().unwrap_or_default()});
            entry
        });
        let before = manifests.len();
        manifests.extend(named);
        if manifests.len() == before {
            manifests.push(entry);
        }
    }
    let kind = media_type::INDEXES[0];
    Ok(json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).to_string())
}

/// Docker's list.
fn list(images: &[(Image, Vec<Name>)]) -> Result<String> {
    let line = |(image, names): &(Image, Vec<Name>)| Line {
        config: path_of(&image.id),
        repo_tags: Some(names.iter().map(ToString::to_string).collect()),
        layers: image.layers.iter().map(path_of).collect(),
    };
    let lines: Vec<_> = images.iter().map(line).collect();
    serde_json::to_string(&lines).map_err(std::io::Error::from).during("write", "manifest.json")
}
