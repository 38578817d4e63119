//! Content by its digest: whoever has the name can check the content.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use model::image::Digest;
use model::{During, Error, Result, on_disk};
use nix::errno::Errno;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::store::Store;

/// Manifests and configurations are read into memory, and nobody's is larger.
pub(crate) const MOST_DOCUMENT_BYTES: u64 = 4 << 20;

/// And none of all real ones has nearly so many values, each of which takes far more memory than its text.
const MOST_VALUES: usize = 30_000;

/// So much is read and written at once.
const PIECE_BYTES: usize = 1 << 16;

impl Store {
    /// Where the content with this digest is, or will be.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs/sha256").join(digest.hex())
    }

    /// Whether it is there.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob(digest).is_file()
    }

    /// How large it is.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when it is not there.
    pub fn blob_bytes(&self, digest: &Digest) -> Result<u64> {
        let path = self.blob(digest);
        fs::metadata(&path).map(|file| file.len()).during("stat", path.display())
    }

    /// A small one, whole, and checked again: a disk may have changed it.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob(digest);
        let file = File::open(&path).during("open", path.display())?;
        let mut content = Vec::new();
        file.take(MOST_DOCUMENT_BYTES + 1).read_to_end(&mut content).during("read", path.display())?;
        if content.len() as u64 > MOST_DOCUMENT_BYTES {
            return Err(io::Error::other("larger than 4 MiB: no manifest and no configuration")).during("read", digest);
        }
        if Digest::of(&content) != *digest {
            return Err(io::Error::other("its content has another digest: the store is damaged"))
                .during("read", digest);
        }
        Ok(content)
    }

    /// Puts a small one in.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn put(&self, content: &[u8]) -> Result<Digest> {
        let mut incoming = self.incoming()?;
        incoming.write_all(content).during("write", incoming.path.display())?;
        incoming.finish(None)
    }

    /// Begins one whose digest may not be known yet.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn incoming(&self) -> Result<Incoming<'_>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = self.root().join("incoming").join(name);
        // Somebody with this PID may have been killed here.
        let file = File::create(&path).during("open", path.display())?;
        Ok(Incoming::new(self, path, file))
    }

    /// Begins one whose digest is known, after what somebody had written of it who was killed.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn incoming_as(&self, digest: &Digest) -> Result<Incoming<'_>> {
        let path = self.root().join("incoming").join(digest.hex());
        let file = File::options().read(true).append(true).create(true).open(&path).during("open", path.display())?;
        // Whoever writes it has it locked. When the lock is had, it may be a blob by now, which nobody writes to.
        if file.try_lock().is_err() || !on_disk::is_at(&path, &file)? {
            return self.incoming();
        }
        let mut incoming = Incoming::new(self, path, file);
        let mut left = BufReader::with_capacity(PIECE_BYTES, &incoming.file);
        incoming.size_bytes = io::copy(&mut left, &mut incoming.hash).during("read", incoming.path.display())?;
        Ok(incoming)
    }
}

/// Takes the digest of what is written to it.
#[derive(Debug)]
pub(crate) struct Hashing(pub(crate) Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A blob that is being written. Unless it is finished, it is removed.
#[derive(Debug)]
pub struct Incoming<'a> {
    store: &'a Store,
    path: PathBuf,
    file: File,
    hash: Hashing,
    size_bytes: u64,
    follower: Option<Sender<Came>>,
}

impl<'a> Incoming<'a> {
    fn new(store: &'a Store, path: PathBuf, file: File) -> Self {
        Incoming { store, path, file, hash: Hashing(Sha256::new()), size_bytes: 0, follower: None }
    }

    /// How much there is by now.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Somebody to read it from its beginning while it comes: the end is told when it has its name. Who writes is told, by EPIPE,
    /// when nobody reads any more.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn follow(&mut self) -> Result<Following> {
        let (follower, coming) = channel();
        self.follower = Some(follower);
        let file = File::open(&self.path).during("open", self.path.display())?;
        Ok(Following { file, coming, ahead_bytes: self.size_bytes, is_whole: false })
    }

    fn tell(&self, came: Came) -> io::Result<()> {
        match self.follower.as_ref().map(|follower| follower.send(came)) {
            Some(Err(_)) => Err(Errno::EPIPE.into()),
            _ => Ok(()),
        }
    }

    /// Writes all of `source`.
    ///
    /// # Errors
    /// What either side says.
    pub fn write_from(&mut self, source: &mut impl Read) -> io::Result<()> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        while source.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)? > 0 {
            self.write_all(&piece)?;
            piece.clear();
        }
        Ok(())
    }

    /// Gives it its name, which is `expected` when it has to be a certain one.
    ///
    /// # Errors
    /// [`Error::Os`]; another digest than the one expected is one.
    pub fn finish(self, expected: Option<&Digest>) -> Result<Digest> {
        let digest = Digest(self.hash.0.clone().finalize().into());
        self.keep(digest, expected)
    }

    /// The file itself, for whoever takes the digest of what is written to it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the name that `digest`, of what was written to its file, is.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn finish_as(self, digest: Digest) -> Result<Digest> {
        self.keep(digest, None)
    }

    fn keep(self, digest: Digest, expected: Option<&Digest>) -> Result<Digest> {
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(io::Error::other(format!("its content has the digest {digest}"))).during("verify", expected);
        }
        let to = self.store.blob(&digest);
        if !to.exists() {
            self.file.sync_all().during("fsync", self.path.display())?;
            on_disk::rename_durably(&self.path, &to)?;
        }
        self.tell(Came::All).during("unpack", digest)?;
        Ok(digest)
    }
}

impl Write for Incoming<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.0.update(&bytes[..count]);
        self.size_bytes += count as u64;
        self.tell(Came::Bytes(count as u64))?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // Finished, it is among the blobs, and what has its path by now is another's.
        if on_disk::is_at(&self.path, &self.file).is_ok_and(|is| is) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What who writes tells who follows.
#[derive(Debug)]
enum Came {
    Bytes(u64),
    All,
}

/// A blob that is read behind whoever writes it.
#[derive(Debug)]
pub(crate) struct Following {
    file: File,
    coming: Receiver<Came>,
    ahead_bytes: u64,
    is_whole: bool,
}

impl Read for Following {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ahead_bytes == 0 && !self.is_whole {
            match self.coming.recv() {
                Ok(Came::Bytes(count)) => self.ahead_bytes += count,
                Ok(Came::All) => self.is_whole = true,
                Err(_) => return Err(io::Error::other("it did not come whole")),
            }
        }
        let count = (&mut self.file).take(self.ahead_bytes).read(buffer)?;
        self.ahead_bytes -= count as u64;
        Ok(count)
    }
}

/// The blobs that there are.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.during("readdir", directory.display())?,
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// What cannot be right about an image, as an error.
pub(crate) fn refuse<T>(what: &'static str, whose: impl Display, why: impl Into<String>) -> Result<T> {
    Err::<T, _>(io::Error::other(why.into())).during(what, whose)
}

/// Reads a document, in bounded memory. `what` and `whose` say in an error what was done: `read the manifest`, and which.
pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, whose: impl Display, text: &[u8]) -> Result<T> {
    // A comma stands before every value but the first of its list; a few more are in texts.
    if text.iter().filter(|byte| **byte == b',').count() >= MOST_VALUES {
        return refuse(what, whose, format!("it has more than {MOST_VALUES} values"));
    }
    serde_json::from_slice(text).or_else(|error| refuse(what, whose, error.to_string()))
}

/// A digest as an image says it.
pub(crate) fn parse_digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|error: Error| error)
}
