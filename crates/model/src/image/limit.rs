//! What unpacks to more than it should: a megabyte of gzip can be a gigabyte of zeros, and one of zstd far more.

use std::env;
use std::io::{self, Read};

/// What a package unpacks to at most, unless [`UNPACKED_BYTES`] says otherwise.
pub const MOST_UNPACKED_BYTES: u64 = 32 << 30;
/// The variable of the environment that allows more, or less.
pub const UNPACKED_BYTES: &str = "BOXWRIGHT_UNPACKED_BYTES";

/// A source of no more than so many bytes: whatever is behind them is an error, and not the end.
#[derive(Debug)]
pub struct Limited<R> {
    source: R,
    most_bytes: u64,
    left_bytes: u64,
}

impl<R: Read> Limited<R> {
    /// `source`, up to what the caller's environment allows.
    pub fn new(source: R) -> Self {
        let told = env::var(UNPACKED_BYTES).ok().and_then(|text| text.parse().ok());
        Limited::to(source, told.unwrap_or(MOST_UNPACKED_BYTES))
    }

    /// `source`, up to `most_bytes`.
    pub fn to(source: R, most_bytes: u64) -> Self {
        Limited { source, most_bytes, left_bytes: most_bytes }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.left_bytes = self.left_bytes.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!(
                "it unpacks to more than {} bytes; if it may, {UNPACKED_BYTES} is how many are allowed",
                self.most_bytes
            ))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_let_through_and_the_next_one_is_refused() {
        let read = |most_bytes| io::copy(&mut Limited::to(&[1; 100][..], most_bytes), &mut io::sink());
        assert_eq!(read(100).unwrap(), 100);
        assert!(read(99).unwrap_err().to_string().contains("more than 99 bytes"));
    }
}
