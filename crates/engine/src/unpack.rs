//! The layers of an image, unpacked: some at once, and each while it comes.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use model::image::Digest;
use model::{Error, Result};
use nix::errno::Errno;

use crate::blobs::{Incoming, refuse};
use crate::image::Image;
use crate::layers::{Verbs, open_blob};
use crate::store::Store;

/// So many layers are on their way at once. Each may take 20 MB of memory: a window of zstd, and what waits for its end.
pub(crate) const AT_ONCE: usize = 2;

/// Writes what is missing of a blob, and gives it its name; `u64` is how many bytes the manifest tells of.
pub type Bring<'a> = dyn Fn(Digest, u64, Incoming<'_>) -> Result<()> + Sync + 'a;

/// A [`Bring`] for images whose blobs are in the store.
///
/// # Errors
/// Always.
pub fn nobody(digest: Digest, _: u64, _: Incoming<'_>) -> Result<()> {
    refuse("unpack layer", digest, "the store does not have it")
}

/// Unpacks the layers of an image. What the store lacks of them is unpacked while `bring` brings it; of several processes one does.
///
/// # Errors
/// What cannot be right about one of them, or why it does not come.
pub fn unpack(store: &Store, image: &Image, verbs: Verbs<'_>, bring: &Bring<'_>) -> Result<()> {
    store.layers().make_init()?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= image.layers.len() {
                return Ok(());
            }
            unpack_one(store, image, number, verbs, bring)?;
        }
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE.min(image.layers.len())).map(|_| scope.spawn(work)).collect();
        let results: Vec<Result<()>> = all.into_iter().map(joined).collect();
        results.into_iter().collect()
    })
}

/// One of them, in two threads when the store lacks it: this one follows the other.
fn unpack_one(store: &Store, image: &Image, number: usize, verbs: Verbs<'_>, bring: &Bring<'_>) -> Result<()> {
    let (digest, size_bytes) = (image.layers[number], image.manifest.layers()[number].size());
    let unpacked = thread::scope(|scope| {
        let mut bringing = None;
        let made = store.layers().make(image, number, verbs, || {
            if store.has_blob(&digest) {
                return open_blob(store, &digest);
            }
            let mut incoming = store.incoming_as(&digest)?;
            let following = incoming.follow()?;
            bringing = Some(scope.spawn(move || bring(digest, size_bytes, incoming)));
            Ok(Box::new(following))
        });
        match bringing.map_or(Ok(()), joined) {
            // Why it did not come is a better story than that it did not.
            Err(error) if !is_unwanted(&error) => Err(error),
            _ => made,
        }
    });
    unpacked?;
    // The layer may have been there, and its blob not: somebody was killed in between.
    if store.has_blob(&digest) { Ok(()) } else { bring(digest, size_bytes, store.incoming_as(&digest)?) }
}

/// Whether somebody stopped to write because nobody reads any more.
pub(crate) fn is_unwanted(error: &Error) -> bool {
    matches!(error, Error::Os { source, .. } if source.raw_os_error() == Some(Errno::EPIPE as i32))
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
