//! Archives of layers, read and written entry by entry: tar(5), in the ustar format with PAX records (pax(1)) and GNU's long
//! names.
//!
//! The crate `tar` knows the fields of a header. The walk from header to header is made here: that crate takes whatever an
//! archive says about an entry into memory first, and a layer is a stranger's work.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::limit::{Allowance, KEPT_BYTES, MOST_KEPT_BYTES};
use super::{Item, ItemKind};
use crate::error::{During, Error, Result};

const BLOCK: usize = 512;
/// No path, no attribute and no sum of them that means well is longer.
const LONGEST_RECORDS_BYTES: u64 = 1 << 20;
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Who owns what comes out of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Whoever the archive says.
    AsTold,
    /// Whoever unpacks it: an ordinary user without other ids has no one else to give files to.
    Mine,
}

/// A layer that is being read.
pub struct Archive<'a> {
    source: Box<dyn Read + 'a>,
    owners: Owners,
}

/// The content of a file of an archive, or nothing.
pub struct Content<'a> {
    source: &'a mut dyn Read,
    left_bytes: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left_bytes).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.source.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left_bytes -= count as u64;
        Ok(count)
    }
}

/// What records before an entry say about it; they count in place of the header's fields.
#[derive(Default)]
struct Records {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    ids: [Option<u64>; 2],
    mtime: Option<(i64, u32)>,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

impl<'a> Archive<'a> {
    /// The archive that `source` gives, uncompressed.
    pub fn new(source: impl Read + 'a, owners: Owners) -> Self {
        Archive { source: Box::new(source), owners }
    }

    /// Hands every entry to `take`, in the archive's order, and reads on to the end of the source: what stands behind the last
    /// entry is part of the layer's digest too. What `take` leaves of a content is passed over.
    ///
    /// # Errors
    /// What `take` returns; [`Error::Invalid`] for what is no archive, or one of a kind that no image has;
    /// [`Error::Os`] when it cannot be read or ends too early, or has more directories and whiteouts than fit in memory.
    pub fn each(&mut self, mut take: impl FnMut(&Item, &mut Content<'_>) -> Result<()>) -> Result<()> {
        let mut records = Records::default();
        // Whoever unpacks it has these in memory to its end.
        let mut kept = Allowance::new("has directories and whiteouts of", KEPT_BYTES, MOST_KEPT_BYTES);
        while let Some(header) = self.header()? {
            let size = header.entry_size().map_err(|error| malformed("size", error))?;
            match header.entry_type() {
                EntryType::GNULongName => records.path = Some(without_zero(self.records(size)?)),
                EntryType::GNULongLink => records.target = Some(without_zero(self.records(size)?)),
                EntryType::XHeader => records.read(&self.records(size)?)?,
                EntryType::XGlobalHeader => drop(self.records(size)?),
                _ => {
                    let size = records.size.unwrap_or(size);
                    let mut item = item(&header, size, std::mem::take(&mut records))?;
                    if self.owners == Owners::Mine {
                        (item.uid, item.gid) = (0, 0);
                    }
                    if item.kind == ItemKind::Directory || is_whiteout(&item.path) {
                        let bytes = size_of::<Item>() + item.path.as_os_str().len();
                        kept.take(bytes).during("read", item.path.display())?;
                    }
                    let mut content = Content { source: &mut self.source, left_bytes: size };
                    take(&item, &mut content)?;
                    io::copy(&mut content, &mut io::sink()).during("read", item.path.display())?;
                    // Of the last entry it may be missing: umoci does not write it. What it would fill up is whole.
                    let padding = io::copy(&mut (&mut self.source).take(padding(size)), &mut io::sink());
                    padding.during("read", item.path.display())?;
                }
            }
        }
        io::copy(&mut self.source, &mut io::sink()).during("read", "the end of the archive").map(drop)
    }

    /// The next header; nothing at the archive's end.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        let bytes = header.as_mut_bytes();
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut bytes[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => {
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof)).during("read", "a header of the archive")?
                }
                count => filled += count.during("read", "a header of the archive")?,
            }
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The sum of all bytes, with spaces in the place of the sum.
        let sum: u32 = bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum();
        match header.cksum() {
            Ok(told) if told == sum => Ok(Some(header)),
            _ => Err(Error::invalid("archive", "", "tar(5): a header has another checksum than its bytes")),
        }
    }

    /// What an entry holds that is about the next one.
    fn records(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > LONGEST_RECORDS_BYTES {
            let right = format!("{LONGEST_RECORDS_BYTES} bytes at most about one entry");
            return Err(Error::invalid("archive", format!("{size} bytes"), right));
        }
        let mut bytes = vec![0; size as usize];
        let read = self.source.read_exact(&mut bytes).and_then(|()| skip(&mut self.source, padding(size)));
        read.during("read", "what the archive says about an entry").map(|()| bytes)
    }
}

fn is_whiteout(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".wh."))
}

/// What fills the last block of `size` bytes.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

fn skip(source: &mut dyn Read, count: u64) -> io::Result<()> {
    match io::copy(&mut source.take(count), &mut io::sink())? {
        copied if copied == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn without_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

fn malformed(field: &str, why: impl Display) -> Error {
    Error::invalid("archive", field, format!("a header of tar(5): {why}"))
}

impl Records {
    /// Reads `LENGTH KEY=VALUE\n`, as often as it is there. Source: pax(1), "pax Extended Header".
    fn read(&mut self, mut bytes: &[u8]) -> Result<()> {
        let bad = || malformed("PAX record", "it should be LENGTH KEY=VALUE and a line's end");
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
            let length: usize = number(&bytes[..space]).ok_or_else(bad)?;
            let record = bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(bad)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(number(value).ok_or_else(bad)?),
                b"uid" => self.ids[0] = Some(number(value).ok_or_else(bad)?),
                b"gid" => self.ids[1] = Some(number(value).ok_or_else(bad)?),
                b"mtime" => self.mtime = Some(time(value).ok_or_else(bad)?),
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err(Error::invalid("archive", "GNU.sparse", "files in one piece: images have no others"));
                }
                _ => {
                    let name = key.strip_prefix(XATTR).map(|name| OsString::from_vec(name.to_vec()));
                    self.xattrs.extend(name.map(|name| (name, value.to_vec())));
                }
            }
            bytes = &bytes[length..];
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `-1.25` is a quarter of a second before -1: seconds, and nanoseconds above.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ns: u32 = format!("{fraction:0<9}")[..9].parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    match whole.starts_with('-') && ns > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - ns)),
        false => Some((seconds, ns)),
    }
}

fn item(header: &Header, size_bytes: u64, records: Records) -> Result<Item> {
    let target = || match records.target {
        Some(target) => PathBuf::from(OsString::from_vec(target)),
        None => PathBuf::from(OsString::from_vec(header.link_name_bytes().unwrap_or_default().into_owned())),
    };
    let device = || -> io::Result<(u64, u64)> {
        let number = |part: io::Result<Option<u32>>| part.map(|number| u64::from(number.unwrap_or(0)));
        Ok((number(header.device_major())?, number(header.device_minor())?))
    };
    let device = || device().map_err(|error| malformed("device number", error));
    let mut path = records.path.unwrap_or_else(|| header.path_bytes().into_owned());
    if path == b"/" {
        // umoci's word for the root itself. Whatever is below it is named from it, and is to be refused when it is not.
        path = b"./".into();
    }
    let kind = match header.entry_type() {
        // The oldest format has no letter for a directory.
        EntryType::Regular if path.ends_with(b"/") => ItemKind::Directory,
        EntryType::Regular | EntryType::Continuous => ItemKind::File { size_bytes },
        EntryType::Directory => ItemKind::Directory,
        EntryType::Symlink => ItemKind::Symlink(target()),
        EntryType::Link => ItemKind::HardLink(target()),
        EntryType::Fifo => ItemKind::Fifo,
        EntryType::Char => device().map(|(major, minor)| ItemKind::Char { major, minor })?,
        EntryType::Block => device().map(|(major, minor)| ItemKind::Block { major, minor })?,
        other => {
            let (kind, path) = (char::from(other.as_byte()), String::from_utf8_lossy(&path));
            return Err(Error::invalid("archive", path, format!("no entry of the kind {kind:?}")));
        }
    };
    let id = |record: Option<u64>, field: io::Result<u64>, name| {
        let id = record.map_or(field, Ok).map_err(|error| malformed(name, error))?;
        u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or_else(|| malformed(name, "no id is so large"))
    };
    Ok(Item {
        kind,
        mode: header.mode().map_err(|error| malformed("mode", error))? & 0o7777,
        uid: id(records.ids[0], header.uid(), "uid")?,
        gid: id(records.ids[1], header.gid(), "gid")?,
        mtime: match records.mtime {
            Some(mtime) => mtime,
            None => (header.mtime().map_err(|error| malformed("mtime", error))?.cast_signed(), 0),
        },
        xattrs: records.xattrs,
        path: PathBuf::from(OsString::from_vec(path)),
    })
}

/// A layer that is being written: the same entries give the same bytes.
pub struct ArchiveWriter<'a> {
    builder: Builder<Box<dyn Write + 'a>>,
}

impl<'a> ArchiveWriter<'a> {
    /// Writes an archive to `target`.
    pub fn new(target: impl Write + 'a) -> Self {
        ArchiveWriter { builder: Builder::new(Box::new(target)) }
    }

    /// Appends an entry, with the content of a file.
    ///
    /// # Errors
    /// [`Error::Os`] when it cannot be written, or the content is shorter than the entry says.
    pub fn append(&mut self, item: &Item, content: Option<&File>) -> Result<()> {
        let (header, records) = described(item);
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        let write = || -> io::Result<()> {
            self.builder.append_pax_extensions(records)?;
            match content {
                Some(file) => self.builder.append(&header, Exact { file, left_bytes: header.entry_size()? }),
                None => self.builder.append(&header, io::empty()),
            }
        };
        write().during("write to the archive", item.path.display())
    }

    /// Writes the end.
    ///
    /// # Errors
    /// [`Error::Os`] when it cannot be written.
    pub fn finish(self) -> Result<()> {
        let mut target = self.builder.into_inner().during("write", "the end of the archive")?;
        target.flush().during("write", "the end of the archive")
    }
}

/// A file of so many bytes: one that grows meanwhile must not spoil the archive, and one that shrinks is told.
struct Exact<'a> {
    file: &'a File,
    left_bytes: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Content { source: &mut self.file, left_bytes: self.left_bytes }
            .read(buffer)
            .inspect(|count| self.left_bytes -= *count as u64)
    }
}

/// The header of an entry, and the records for what does not fit into it.
fn described(item: &Item) -> (Header, Vec<(String, Vec<u8>)>) {
    let mut header = Header::new_ustar();
    let mut records = Vec::new();
    let mut path = item.path.as_os_str().as_bytes().to_vec();
    let (kind, target, size) = match &item.kind {
        ItemKind::Directory => {
            path.push(b'/');
            (EntryType::Directory, Path::new(""), 0)
        }
        ItemKind::File { size_bytes } => (EntryType::Regular, Path::new(""), *size_bytes),
        ItemKind::Symlink(target) => (EntryType::Symlink, target.as_path(), 0),
        ItemKind::HardLink(target) => (EntryType::Link, target.as_path(), 0),
        ItemKind::Char { .. } => (EntryType::Char, Path::new(""), 0),
        ItemKind::Block { .. } => (EntryType::Block, Path::new(""), 0),
        ItemKind::Fifo => (EntryType::Fifo, Path::new(""), 0),
    };
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(item.mode);
    header.set_uid(item.uid.into());
    header.set_gid(item.gid.into());
    header.set_mtime(u64::try_from(item.mtime.0).unwrap_or(0));
    if let ItemKind::Char { major, minor } | ItemKind::Block { major, minor } = item.kind {
        let fields = header.as_ustar_mut();
        // A device of Linux has 12 and 20 bits: both fit.
        fields.map(|fields| (fields.set_device_major(major as u32), fields.set_device_minor(minor as u32)));
    }
    let mut put = |field: &mut [u8], text: &[u8], key: &str| {
        let length = text.len().min(field.len());
        field[..length].copy_from_slice(&text[..length]);
        if text.len() > field.len() || !text.is_ascii() {
            records.push((key.to_owned(), text.to_vec()));
        }
    };
    let fields = header.as_old_mut();
    put(&mut fields.name, &path, "path");
    put(&mut fields.linkname, target.as_os_str().as_bytes(), "linkpath");
    let (seconds, ns) = item.mtime;
    if seconds < 0 || ns > 0 {
        // What is before 1970 has its fraction counted towards it.
        let text = match seconds < 0 && ns > 0 {
            true => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - ns),
            false => format!("{seconds}.{ns:09}"),
        };
        records.push(("mtime".into(), text.into_bytes()));
    }
    for (name, value) in &item.xattrs {
        // A name that is no text cannot be a record's key.
        if let Some(name) = name.to_str() {
            records.push((format!("SCHILY.xattr.{name}"), value.clone()));
        }
    }
    header.set_cksum();
    (header, records)
}
