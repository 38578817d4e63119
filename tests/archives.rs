//! Damaged layers, manifests, configurations and indexes: refused in one line; nothing outside is reached, and no image
//! contradicts itself.
//!
//! The checks are those of `fuzz/`, where libFuzzer makes the damage.

#![cfg(feature = "solutions")]

#[path = "hostile/archive.rs"]
#[allow(dead_code, reason = "not every archive is for here")]
mod archive;
#[path = "../fuzz/layer.rs"]
mod layer;
#[path = "../fuzz/manifest.rs"]
mod manifest;

use std::fs;

use archive::{CHAR, Tar};
use testkit::damage::{can_be_damaged, damaged};
use testkit::{Random, dir, shielded};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

/// One of each kind of entry, and of each trick.
fn layers() -> Vec<Vec<u8>> {
    let plain = Tar::default().directory("./").directory("dir").file("dir/file", b"content").symlink("link", "dir");
    let plain = plain.hard_link("other", "dir/file").device(CHAR, "null", (1, 3)).device(b'6', "pipe", (0, 0));
    let marks =
        Tar::default().directory("dir").file("dir/.wh..wh..opq", b"").file(".wh.gone", b"").file("dir/.wh.in", b"");
    let records = Tar::default().records(&[("path", b"dir/long"), ("mtime", b"1.5"), ("SCHILY.xattr.user.a", b"b")]);
    let harm = Tar::default().symlink("way", "..").file("way/outside", b"new").hard_link("new", "../outside");
    let hops = Tar::default().directory("a").symlink("a/b", "../..").file("a/b/outside", b"new").file("a/.wh...", b"");
    [plain, marks, records.file("short", b"content"), harm, hops].map(Tar::end).into()
}

/// The archive with one thing wrong, in a block whose sum is right again: else nothing behind the sum would ever be reached.
fn broken(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below((bytes.len() / 512) as u64) as usize * 512;
    match random.below(8) {
        // At the least a block, and it may be all that there is.
        0 => bytes.truncate(random.below(bytes.len() as u64 - 511) as usize + 512),
        1 => drop(bytes.splice(at..at, bytes[..512].to_vec())),
        2 if bytes.len() > 2048 => drop(bytes.drain(at..at + 512)),
        3 => bytes[at + 156] = *random.of(b"0123456789xgLKSV\0"),
        4 => bytes[at + random.below(100) as usize] = *random.of(b"/.\0a\xff"),
        5 => bytes[at + 157 + random.below(100) as usize] = *random.of(b"/.\0a\xff"),
        6 => bytes[at + 100 + random.below(48) as usize] = *random.of(b"07 \0\x80\xff-"),
        _ => bytes[at + random.below(512) as usize] ^= 1 << random.below(8),
    }
    let is_header = |block: &[u8]| block.len() == 512 && &block[257..262] == b"ustar";
    if let Some(block) = bytes.get_mut(at..at + 512).filter(|block| is_header(block)) {
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[test]
fn a_damaged_layer_is_refused_or_stays_inside() {
    shielded(|| {
        let random = &mut Random::new();
        let own =
            fs::read_dir(format!("{CORPUS}/layer")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let layers: Vec<_> = layers().into_iter().chain(own).collect();
        layers.iter().for_each(|layer| layer::check(&dir(), layer));
        for _ in 0..1500 {
            let mut bytes = random.of(&layers).clone();
            for _ in 0..=random.below(3) {
                broken(random, &mut bytes);
            }
            layer::check(&dir(), &bytes);
        }
    });
}

#[test]
fn a_damaged_manifest_is_refused_or_an_image_that_is_whole() {
    let random = &mut Random::new();
    let files = fs::read_dir(format!("{CORPUS}/manifest")).unwrap().map(|entry| entry.unwrap().path());
    let own = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let texts: Vec<_> = own.map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.iter().for_each(|text| manifest::check(text.as_bytes()));
    for _ in 0..3000 {
        let mut text = random.of(&texts).clone();
        for _ in 0..=random.below(3) {
            if can_be_damaged(&text) {
                text = damaged(random, &text);
            }
        }
        manifest::check(text.as_bytes());
    }
}
