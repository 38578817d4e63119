//! `load`: images from a file, in one pass over it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

use model::image::{Archive, Digest, ItemKind, Limited, Owners, WINDOW_LOG_MAX};
use model::{During, Result};
use sha2::{Digest as _, Sha256};

use super::layout::list;
use super::{Found, Stored};
use crate::blobs::{Hashing, Incoming, MOST_DOCUMENT_BYTES, refuse};
use crate::image::{Image, Platform, media_type};
use crate::layers::{Verbs, open_blob};
use crate::make::{NewLayer, Remarks, make};
use crate::store::Store;
use crate::unpack::{nobody, unpack};

/// So many entries an archive of images has at most. A layer's files are not among them.
const MOST_ENTRIES: usize = 10_000;
/// Names are kept in memory until the end.
const LONGEST_NAME_BYTES: usize = 256;
/// What a legacy archive has by a path, and no layer, is a document up to this size.
const MOST_DOCUMENTS_BYTES: usize = 8 << 20;

/// Loads the images of the file, or of the directory with an OCI layout, at `path`; of standard input without one. The answer is
/// a line for each, as Docker says it.
///
/// # Errors
/// What cannot be right about the file or an image in it. Images that come before it are loaded.
pub fn load(store: &Store, path: Option<&Path>, platform: &Platform, verbs: Verbs<'_>) -> Result<Vec<String>> {
    let _held = store.hold()?;
    let found = match path {
        Some(path) if path.is_dir() => read_directory(store, path)?,
        Some(path) => {
            read_archive(store, File::open(path).during("open", path.display())?, &path.display().to_string())?
        }
        None => read_archive(store, io::stdin().lock(), "standard input")?,
    };
    let mut lines = Vec::new();
    for listed in list(store, &found, platform)? {
        let image = Image::read(store, &listed.manifest)?;
        unpack(store, &image, verbs, &|digest, _, incoming| found.bring(digest, incoming))?;
        store.change(|images| {
            images.add(&image.id, image.digest);
            listed.names.iter().for_each(|name| images.name(&image.id, name));
            Ok(())
        })?;
        lines.extend(listed.names.iter().map(|name| format!("Loaded image: {name}")));
        if listed.names.is_empty() {
            lines.push(format!("Loaded image ID: {}", image.id));
        }
    }
    Ok(lines)
}

/// Makes an image of one layer from the archive of a root file system, and unpacks it.
///
/// # Errors
/// What cannot be right about the archive.
pub fn import(
    store: &Store,
    source: &mut (dyn Read + Send),
    whose: &str,
    remarks: Remarks<'_>,
    verbs: Verbs<'_>,
) -> Result<Image> {
    let _held = store.hold()?;
    let mut first = [0; 4];
    let count = read_full(source, &mut first).during("read", whose)?;
    let media_type = media_type::of_layer(&first[..count]);
    let mut incoming = store.incoming()?;
    incoming.write_from(&mut (&first[..count]).chain(source)).during("read", whose)?;
    let digest = incoming.finish(None)?;
    let packed = open_blob(store, &digest)?;
    let mut hash = Hashing(Sha256::new());
    match media_type {
        media_type::LAYER_GZIP => {
            let packed = flate2::read::MultiGzDecoder::new(BufReader::new(packed));
            io::copy(&mut Limited::new(packed), &mut hash)
        }
        media_type::LAYER_ZSTD => from_zstd(packed).and_then(|mut unpacked| io::copy(&mut unpacked, &mut hash)),
        _ => io::copy(&mut BufReader::with_capacity(1 << 16, packed), &mut hash),
    }
    .during("unpack", whose)?;
    let layer = NewLayer { digest, diff_id: Digest(hash.0.finalize().into()), media_type };
    let image = make(store, None, true, layer, remarks)?;
    unpack(store, &image, verbs, &nobody)?;
    Ok(image)
}

/// Reads an archive to its end; it may be packed itself.
fn read_archive(store: &Store, source: impl Read, whose: &str) -> Result<Found> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let mut first = [0; 4];
    let count = read_full(&mut source, &mut first).during("read", whose)?;
    let source = io::Cursor::new(first[..count].to_vec()).chain(source);
    match media_type::of_layer(&first[..count]) {
        media_type::LAYER_GZIP => read_tar(store, Limited::new(flate2::read::MultiGzDecoder::new(source)), whose),
        media_type::LAYER_ZSTD => read_tar(store, from_zstd(source).during("read", whose)?, whose),
        _ => read_tar(store, source, whose),
    }
}

/// What is in a package, up to the limits.
fn from_zstd(packed: impl Read) -> io::Result<impl Read> {
    let mut decoder = zstd::Decoder::new(packed)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(Limited::new(decoder))
}

fn read_tar(store: &Store, source: impl Read, whose: &str) -> Result<Found> {
    let (mut found, mut count) = (Found::default(), 0);
    // A name in here is no path: it is looked up, and never opened.
    let read = Archive::new(source, Owners::Mine).each(|item, content| {
        count += 1;
        if count > MOST_ENTRIES || item.path.as_os_str().len() > LONGEST_NAME_BYTES {
            let why = "more than 10000 entries, or a name of more than 256 bytes: that is no archive of images";
            return refuse("read", whose, why);
        }
        let path = item.path.to_string_lossy().trim_start_matches("./").to_owned();
        let target = match &item.kind {
            ItemKind::File { .. } => return take(store, &mut found, &path, content),
            ItemKind::Symlink(target) => beside(&path, &target.to_string_lossy()),
            ItemKind::HardLink(target) => target.to_string_lossy().into_owned(),
            _ => return Ok(()),
        };
        if target.len() > LONGEST_NAME_BYTES {
            return refuse("read", whose, "a link of more than 256 bytes: that is no archive of images");
        }
        found.links.insert(path, target);
        Ok(())
    });
    read.or_else(|error| refuse("read", whose, error.to_string()))?;
    Ok(found)
}

/// Where a link beside `path` leads, as a name in the archive.
fn beside(path: &str, target: &str) -> String {
    let mut parts: Vec<_> = Path::new(path).parent().unwrap_or(Path::new("")).components().collect();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(_) => parts.push(part),
            _ => {}
        }
    }
    parts.iter().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Takes a file of an archive: a blob or a layer into the store, a document into memory too.
fn take(store: &Store, found: &mut Found, path: &str, content: &mut impl Read) -> Result<()> {
    // It has to be what its name says.
    let expected =
        path.strip_prefix("blobs/sha256/").map(|hex| format!("sha256:{hex}").parse::<Digest>()).transpose()?;
    let mut first = [0; 4096];
    let count = read_full(content, &mut first).during("read", path)?;
    let media_type = media_type::of_layer(&first[..count]);
    let mut source = (&first[..count]).chain(content);
    let mut incoming = store.incoming()?;
    let is_text =
        first[..count].iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte));
    let mut rest = Vec::new();
    if is_text {
        (&mut source).take(MOST_DOCUMENT_BYTES).read_to_end(&mut rest).during("read", path)?;
        incoming.write_all(&rest).during("write", path)?;
    }
    incoming.write_from(&mut source).during("read", path)?;
    let size_bytes = incoming.size_bytes();
    let digest = incoming.finish(expected.as_ref())?;
    if is_text && size_bytes <= MOST_DOCUMENT_BYTES {
        let total: usize = found.documents.values().map(Vec::len).sum();
        if total + rest.len() > MOST_DOCUMENTS_BYTES {
            return refuse("read", path, "the archive has more than 8 MiB of documents: it is no archive of images");
        }
        found.documents.insert(path.to_owned(), rest);
    }
    found.blobs.insert(path.to_owned(), Stored { digest, size_bytes, media_type });
    Ok(())
}

/// Reads a directory with an OCI layout. What is too large for a document comes when it is unpacked.
fn read_directory(store: &Store, directory: &Path) -> Result<Found> {
    let mut found = Found { layout: Some(directory.to_owned()), ..Found::default() };
    for path in ["oci-layout", "index.json"] {
        let file = directory.join(path);
        take(store, &mut found, path, &mut File::open(&file).during("open", file.display())?)?;
    }
    let blobs = directory.join("blobs/sha256");
    for entry in fs::read_dir(&blobs).during("readdir", blobs.display())? {
        let name = entry.during("readdir", blobs.display())?.file_name();
        let path = blobs.join(&name);
        let mut file = File::open(&path).during("open", path.display())?;
        if file.metadata().during("stat", path.display())?.len() > MOST_DOCUMENT_BYTES {
            continue;
        }
        take(store, &mut found, &format!("blobs/sha256/{}", name.to_string_lossy()), &mut file)?;
    }
    Ok(found)
}

impl Found {
    /// A manifest, an index or a configuration.
    pub(super) fn document(&self, store: &Store, digest: &Digest) -> Result<Vec<u8>> {
        match self.path(digest) {
            _ if store.has_blob(digest) => store.document(digest),
            Some(_) => refuse("load", digest, "larger than 4 MiB: no manifest and no configuration"),
            None => refuse("load", digest, "it is not in there"),
        }
    }

    /// Where a layout has a blob, when it is one, and has it.
    pub(super) fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.layout.as_ref()?.join("blobs/sha256").join(digest.hex());
        path.is_file().then_some(path)
    }

    /// Copies a blob of the layout into the store.
    fn bring(&self, digest: Digest, mut incoming: Incoming<'_>) -> Result<()> {
        let Some(path) = self.path(&digest) else { return refuse("load", digest, "it is not in there") };
        let mut file = File::open(&path).during("open", path.display())?;
        file.seek(SeekFrom::Start(incoming.size_bytes())).during("seek", path.display())?;
        incoming.write_from(&mut file).during("read", path.display())?;
        incoming.finish(Some(&digest)).map(drop)
    }
}

/// Reads until `buffer` is full or there is no more.
fn read_full(source: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match source.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
