//! Archives made byte by byte: no writer that means well would make these. Source: tar(5).

use std::io::{self, Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use model::image::Digest;
use serde_json::{Value, json};

const BLOCK: usize = 512;
pub const FILE: u8 = b'0';
pub const HARD_LINK: u8 = b'1';
pub const SYMLINK: u8 = b'2';
pub const CHAR: u8 = b'3';
pub const BLOCK_DEVICE: u8 = b'4';
pub const DIRECTORY: u8 = b'5';

/// An archive, as far as it is written.
#[derive(Debug, Clone, Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn file(self, path: impl AsRef<[u8]>, content: &[u8]) -> Self {
        self.entry(&header(FILE, path.as_ref(), b"", content.len() as u64, (0, 0)), content)
    }

    pub fn directory(self, path: impl AsRef<[u8]>) -> Self {
        self.entry(&header(DIRECTORY, path.as_ref(), b"", 0, (0, 0)), b"")
    }

    pub fn symlink(self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(&header(SYMLINK, path.as_ref(), target.as_ref(), 0, (0, 0)), b"")
    }

    pub fn hard_link(self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(&header(HARD_LINK, path.as_ref(), target.as_ref(), 0, (0, 0)), b"")
    }

    pub fn device(self, kind: u8, path: impl AsRef<[u8]>, number: (u32, u32)) -> Self {
        self.entry(&header(kind, path.as_ref(), b"", 0, number), b"")
    }

    /// PAX records about the next entry.
    pub fn records(self, records: &[(&str, &[u8])]) -> Self {
        let content: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.entry(&header(b'x', b"records", b"", content.len() as u64, (0, 0)), &content)
    }

    pub fn entry(mut self, header: &[u8; BLOCK], content: &[u8]) -> Self {
        self.0.extend(header);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// The whole archive, with the two blocks of zeros at its end.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }
}

/// The header of an entry, with the right sum. What is longer than its field is cut off.
pub fn header(kind: u8, path: &[u8], target: &[u8], size_bytes: u64, (major, minor): (u32, u32)) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, length: usize, text: &[u8]| {
        let length = length.min(text.len());
        header[at..at + length].copy_from_slice(&text[..length]);
    };
    put(0, 100, path);
    put(100, 8, b"0000755\0");
    put(108, 8, b"0000000\0");
    put(116, 8, b"0000000\0");
    // Above 8 GiB there are not enough octal digits: a number of 12 bytes, marked by its first bit.
    match size_bytes < 1 << 33 {
        true => put(124, 12, format!("{size_bytes:011o}\0").as_bytes()),
        false => put(124, 12, &[&[0x80, 0, 0, 0][..], &size_bytes.to_be_bytes()].concat()),
    }
    put(136, 12, b"00000000001\0");
    put(148, 8, b"        ");
    put(156, 1, &[kind]);
    put(157, 100, target);
    put(257, 8, b"ustar\x0000");
    put(329, 8, format!("{major:07o}\0").as_bytes());
    put(337, 8, format!("{minor:07o}\0").as_bytes());
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// `LENGTH KEY=VALUE\n`, whose length counts its own digits too.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let length =
        (1..=20).map(|digits| rest.len() + digits).find(|length| length.to_string().len() + rest.len() == *length);
    [length.unwrap().to_string().as_bytes(), &rest].concat()
}

/// A file of zeros by the name `zeros`, which is nowhere whole: neither here nor on its way.
pub fn zeros(size_bytes: u64) -> impl Read + Send {
    assert!(size_bytes.is_multiple_of(BLOCK as u64));
    let header = header(FILE, b"zeros", b"", size_bytes, (0, 0));
    Cursor::new(header).chain(io::repeat(0).take(size_bytes + 2 * BLOCK as u64))
}

/// So many empty files, or directories.
pub fn empty(kind: u8, count: u32) -> impl Read + Send {
    Empty { kind, next: 0, count, block: Cursor::new(Vec::new()) }
}

struct Empty {
    kind: u8,
    next: u32,
    count: u32,
    block: Cursor<Vec<u8>>,
}

impl Read for Empty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.position() == self.block.get_ref().len() as u64 && self.next <= self.count {
            let path = format!("dir-{}/{}", self.next / 1000, self.next);
            let block = match self.next == self.count {
                true => vec![0; 2 * BLOCK],
                false => header(self.kind, path.as_bytes(), b"", 0, (0, 0)).to_vec(),
            };
            self.block = Cursor::new(block);
            self.next += 1;
        }
        self.block.read(buffer)
    }
}

pub fn gzip(mut source: impl Read) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut source, &mut packed).unwrap();
    packed.flush().unwrap();
    packed.finish().unwrap()
}

/// In frames that are to be read with a window of 2 to the power of `window_log` bytes.
pub fn zstd(mut source: impl Read, window_log: u32) -> Vec<u8> {
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed.window_log(window_log).unwrap();
    io::copy(&mut source, &mut packed).unwrap();
    packed.finish().unwrap()
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An OCI layout that is being made, as an archive for `load`.
#[derive(Debug, Clone, Default)]
pub struct Layout(Tar);

impl Layout {
    /// Puts a blob in, by its own name: its digest.
    pub fn blob(self, content: &[u8]) -> (Self, Digest) {
        let digest = Digest::of(content);
        (self.blob_as(&digest.hex(), content), digest)
    }

    /// Puts a blob in by any name.
    pub fn blob_as(self, hex: &str, content: &[u8]) -> Self {
        Layout(self.0.file(format!("blobs/sha256/{hex}"), content))
    }

    /// Puts an image of these layers in, each an archive in a package: the descriptor of its manifest.
    pub fn image(self, layers: &[(Vec<u8>, Digest)]) -> (Self, Value) {
        self.image_with(layers, &json!({}), &json!({}))
    }

    /// The same, with this too in its configuration and its manifest.
    pub fn image_with(mut self, layers: &[(Vec<u8>, Digest)], config: &Value, manifest: &Value) -> (Self, Value) {
        let mut descriptors = Vec::new();
        for (blob, _) in layers {
            let digest;
            (self, digest) = self.blob(blob);
            let kind = match blob[..4] {
                [0x1f, 0x8b, ..] => "tar+gzip",
                [0x28, 0xb5, 0x2f, 0xfd] => "tar+zstd",
                _ => "tar",
            };
            let kind = format!("application/vnd.oci.image.layer.v1.{kind}");
            descriptors.push(descriptor(&kind, &digest.to_string(), blob.len()));
        }
        let diff_ids: Vec<_> = layers.iter().map(|(_, diff_id)| diff_id.to_string()).collect();
        let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
        let config = joined(&json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}), config);
        let (layout, id) = self.blob(config.as_bytes());
        let config = descriptor(CONFIG, &id.to_string(), config.len());
        let own = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors});
        let manifest = joined(&own, manifest);
        let (layout, digest) = layout.blob(manifest.as_bytes());
        (layout, descriptor(MANIFEST, &digest.to_string(), manifest.len()))
    }

    /// The archive, whose index leads to `descriptor`.
    pub fn end(self, descriptor: &Value) -> Vec<u8> {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}).to_string();
        let version = br#"{"imageLayoutVersion": "1.0.0"}"#;
        self.0.file("oci-layout", version).file("index.json", index.as_bytes()).end()
    }
}

/// The text of both objects as one.
fn joined(one: &Value, other: &Value) -> String {
    let fields = [one, other].into_iter().flat_map(|object| object.as_object().unwrap().clone());
    Value::from_iter(fields).to_string()
}

pub fn descriptor(media_type: &str, digest: &str, size_bytes: usize) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size_bytes})
}
