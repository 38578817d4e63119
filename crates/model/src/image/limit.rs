//! What takes more than it should: a megabyte of gzip can be a gigabyte of zeros, or a million directories, and one of zstd far
//! more.

use std::env;
use std::io::{self, Read};

/// What a package unpacks to at most, unless [`UNPACKED_BYTES`] says otherwise.
pub const MOST_UNPACKED_BYTES: u64 = 32 << 30;
/// The variable of the environment that allows more, or less.
pub const UNPACKED_BYTES: &str = "BOXWRIGHT_UNPACKED_BYTES";
/// What the directories and the whiteouts of an archive take in memory at most, unless [`KEPT_BYTES`] says otherwise: some fifty
/// thousand.
pub const MOST_KEPT_BYTES: u64 = 8 << 20;
/// The variable of the environment that allows more, or less.
pub const KEPT_BYTES: &str = "BOXWRIGHT_KEPT_BYTES";

/// A frame of zstd that asks for a larger window than these 8 MiB is refused: it is in memory. Source: RFC 8878, 3.1.1.1.2, by
/// which every decoder should have so much.
pub const WINDOW_LOG_MAX: u32 = 23;

/// How much may come still.
#[derive(Debug)]
pub(super) struct Allowance {
    what: &'static str,
    variable: &'static str,
    most_bytes: u64,
    left_bytes: u64,
}

impl Allowance {
    /// `most_bytes`, unless the caller's environment allows another number; `what` is what takes them, as in `unpacks to`.
    pub(super) fn new(what: &'static str, variable: &'static str, most_bytes: u64) -> Self {
        let told = env::var(variable).ok().and_then(|text| text.parse().ok());
        let most_bytes = told.unwrap_or(most_bytes);
        Allowance { what, variable, most_bytes, left_bytes: most_bytes }
    }

    /// Takes so many of them; more than there are is an error.
    pub(super) fn take(&mut self, count_bytes: usize) -> io::Result<()> {
        let Allowance { what, variable, most_bytes, .. } = self;
        self.left_bytes = self.left_bytes.checked_sub(count_bytes as u64).ok_or_else(|| {
            io::Error::other(format!(
                "it {what} more than {most_bytes} bytes; if it may, {variable} is how many are allowed"
            ))
        })?;
        Ok(())
    }
}

/// A source of no more than so many bytes: whatever is behind them is an error, and not the end.
#[derive(Debug)]
pub struct Limited<R> {
    source: R,
    allowance: Allowance,
}

impl<R: Read> Limited<R> {
    /// `source`, up to what the caller's environment allows.
    pub fn new(source: R) -> Self {
        Limited { source, allowance: Allowance::new("unpacks to", UNPACKED_BYTES, MOST_UNPACKED_BYTES) }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.allowance.take(count)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_let_through_and_the_next_one_is_refused() {
        let read = |most_bytes| {
            let allowance = Allowance::new("unpacks to", "BOXWRIGHT_NOT_SET", most_bytes);
            io::copy(&mut Limited { source: &[1; 100][..], allowance }, &mut io::sink())
        };
        assert_eq!(read(100).unwrap(), 100);
        assert!(read(99).unwrap_err().to_string().contains("more than 99 bytes"));
    }
}
