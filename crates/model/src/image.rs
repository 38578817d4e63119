//! Images: content that goes by its digest, and layers as archives. Source: OCI image-spec, `descriptor.md`, `layer.md`.

mod archive;
pub mod entry;
mod limit;

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Debug, Display};
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
pub use sha2::{Digest as Hash, Sha256};

use crate::error::Error;
pub use archive::{Archive, ArchiveWriter, Content, Owners};
pub use limit::{KEPT_BYTES, Limited, MOST_KEPT_BYTES, MOST_UNPACKED_BYTES, UNPACKED_BYTES, WINDOW_LOG_MAX};

/// What some bytes are called: their SHA-256. Two names are the same when the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("sha256:").map(str::as_bytes).unwrap_or_default();
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bytes = digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
        let bytes = bytes.collect::<Option<Vec<u8>>>().filter(|_| digits.len() == 64);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Digest).ok_or_else(|| Error::invalid("digest", text, "sha256: and 64 digits of 0-9 a-f"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

/// Content on its way here, and what it has to be. Whoever sends it is not to be believed.
pub struct Blob {
    /// Where it comes from.
    pub source: Box<dyn Read + Send>,
    /// The hash of what has come so far.
    pub hash: Sha256,
    /// How many bytes have come so far.
    pub read_bytes: u64,
    /// What it is called.
    pub digest: Digest,
    /// How long it is.
    pub size_bytes: u64,
}

impl Blob {
    /// The blob `digest` of `size_bytes`, as `source` is about to give it.
    pub fn new(source: impl Read + Send + 'static, digest: Digest, size_bytes: u64) -> Self {
        Blob { source: Box::new(source), hash: Sha256::new(), read_bytes: 0, digest, size_bytes }
    }
}

impl Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} of {} bytes read", self.digest, self.read_bytes, self.size_bytes)
    }
}

/// One entry of a layer's archive: what it says, and nothing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it is to go. Should be relative; could be anything.
    pub path: PathBuf,
    /// What it is.
    pub kind: ItemKind,
    /// Permissions, and the set-user-ID, set-group-ID and sticky bits.
    pub mode: u32,
    /// Its owner, by the numbers inside.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When it was changed: seconds since 1970, and the nanoseconds above.
    pub mtime: (i64, u32),
    /// Its extended attributes.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// A directory.
    Directory,
    /// A file, whose content follows.
    File {
        /// How much of it.
        size_bytes: u64,
    },
    /// A symbolic link, and where it leads: any text.
    Symlink(PathBuf),
    /// Another name for an entry of this layer that came before.
    HardLink(PathBuf),
    /// A character device.
    Char {
        /// The number of its driver.
        major: u64,
        /// Which of the driver's.
        minor: u64,
    },
    /// A block device.
    Block {
        /// The number of its driver.
        major: u64,
        /// Which of the driver's.
        minor: u64,
    },
    /// A named pipe.
    Fifo,
}

/// What the last part of an entry's path means. Source: image-spec, layer.md, "Whiteouts".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker<'a> {
    /// A name.
    Plain,
    /// Of the layers below, nothing by this name is to be seen.
    Hides(&'a OsStr),
    /// Of the layers below, nothing in its directory is to be seen.
    Opaque,
    /// A note that AUFS left for itself.
    Ignored,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written_and_in_no_other_form() {
        let digest = Digest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((digest.to_string().as_str(), text.parse().unwrap()), (text, digest));
        for bad in ["", "sha256:", "sha512:00", &text.to_uppercase(), &text[..70], &format!("{text}0"), &text[7..]] {
            let refused = bad.parse::<Digest>().unwrap_err().to_string();
            assert!(refused.contains("64 digits"), "{bad}: {refused}");
        }
    }
}
