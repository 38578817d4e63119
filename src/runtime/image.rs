//! Layers in one pass: verified, decompressed and unpacked while they come, and back.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression as Level, GzBuilder};
use model::image::{Archive, ArchiveWriter, Blob, Digest, Hash, Limited, Owners, Sha256, WINDOW_LOG_MAX};
use model::layer::Marks;
use model::tree::open_directory;
use model::{During, Error, Result};

use crate::steps::image;

/// How a layer's archive is packed for its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

// ANCHOR: pass
/// Unpacks a layer into the empty directory `into`, and returns the digest of its archive (its `diff_id`). Nothing of it is to be
/// used before this returns: only then is it known to be what it is called.
///
/// One thread verifies, decompresses and hashes; this one makes files of what comes out, and the other is never far ahead of it.
///
/// # Errors
/// What is wrong with the blob, or with an entry of the archive; part of it is in `into` then.
pub fn unpack(blob: Blob, compression: Compression, owners: Owners, marks: Marks, into: &Path) -> Result<Digest> {
    let root = open_directory(into)?;
    let (pieces, coming) = sync_channel(PIECES);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let read = read_to_end(blob, compression, &pieces);
            // Whoever applies is told what is wrong, and says at which entry.
            read.unwrap_or_else(|error| pieces.send(Err(error)).map_or(None, |()| None))
        });
        let applied = image::apply(root.as_fd(), &mut Archive::new(Pieces::of(coming), owners), marks);
        let diff_id = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        applied?;
        diff_id.ok_or_else(|| Error::invalid("layer", into.to_string_lossy(), "an archive that is read to its end"))
    })
}

/// The digest of what is in the package, which goes through `pieces`; nothing when nobody wants the rest of it.
fn read_to_end(blob: Blob, compression: Compression, pieces: &SyncSender<Piece>) -> io::Result<Option<Digest>> {
    let (mut verified, mut hash) = (Verified(blob), Sha256::new());
    let mut source = decoder(&mut verified, compression)?;
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        source.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        hash.update(&piece);
        if pieces.send(Ok(piece)).is_err() {
            return Ok(None);
        }
    }
    drop(source);
    // What a decoder has left is part of the blob too.
    io::copy(&mut verified, &mut io::sink())?;
    Ok(Some(Digest(hash.finalize().into())))
}
// ANCHOR_END: pass

/// What is in the package, up to the limit.
fn decoder<'a>(source: &'a mut Verified, compression: Compression) -> io::Result<Box<dyn Read + 'a>> {
    let source = BufReader::with_capacity(PIECE_BYTES, source);
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(Limited::new(MultiGzDecoder::new(source))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(source)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(Limited::new(decoder))
        }
    })
}

/// What has come out of the package, or why nothing more does.
type Piece = io::Result<Vec<u8>>;
const PIECE_BYTES: usize = 1 << 16;
/// So many wait to be applied at most.
const PIECES: usize = 4;

/// The pieces in a row.
struct Pieces {
    coming: Receiver<Piece>,
    piece: Cursor<Vec<u8>>,
}

impl Pieces {
    fn of(coming: Receiver<Piece>) -> Self {
        Pieces { coming, piece: Cursor::default() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(buffer)? {
                0 if !buffer.is_empty() => match self.coming.recv() {
                    Ok(piece) => self.piece = Cursor::new(piece?),
                    // Nobody is there to send another one.
                    Err(_) => return Ok(0),
                },
                count => return Ok(count),
            }
        }
    }
}

/// A blob as [`image::read`] lets it through.
struct Verified(Blob);

impl Read for Verified {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match image::read(&mut self.0, buffer) {
                Err(error) if error.errno() == Some(nix::errno::Errno::EINTR) => {}
                count => return count.map_err(io::Error::other),
            }
        }
    }
}

/// Whatever goes through is hashed.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A layer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The digest of its archive.
    pub diff_id: Digest,
    /// The digest of the blob, which is the archive, compressed.
    pub digest: Digest,
    /// The length of the blob.
    pub size_bytes: u64,
}

/// Writes what is in `upper` as a layer to `blob`, compressed by gzip.
///
/// # Errors
/// [`model::Error::Os`] for what cannot be read or written.
pub fn commit(upper: &Path, marks: Marks, blob: &File) -> Result<Written> {
    let mut packed = Hashed { inner: BufWriter::new(blob), hash: Sha256::new() };
    // Its header has no time in it: the same archive is the same blob.
    let diff_id = write_archive(upper, marks, GzBuilder::new().mtime(0).write(&mut packed, Level::default()))?;
    packed.flush().during("write", "the layer")?;
    let size_bytes = blob.metadata().during("stat", "the layer")?.len();
    Ok(Written { diff_id, digest: Digest(packed.hash.finalize().into()), size_bytes })
}

fn write_archive(upper: &Path, marks: Marks, gzip: GzEncoder<impl Write>) -> Result<Digest> {
    let mut target = Hashed { inner: BufWriter::with_capacity(1 << 16, gzip), hash: Sha256::new() };
    let mut layer = ArchiveWriter::new(&mut target);
    image::write_layer(open_directory(upper)?.as_fd(), marks, &mut layer)?;
    layer.finish()?;
    let gzip = target.inner.into_inner().map_err(io::IntoInnerError::into_error).during("write", "the layer")?;
    gzip.finish().during("write", "the layer")?;
    Ok(Digest(target.hash.finalize().into()))
}
