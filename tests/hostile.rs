//! Images that mean harm: each is refused with the layer, the entry and the reason, or handled right where it is legal; nothing
//! outside is touched, and nothing is left behind.
//!
//! Each archive is made byte by byte ([`archive`]). First what the labs' verbs make of it, then `boxwright load`.
//! `BOXWRIGHT_HOSTILE=whole` makes the large ones as large as they get: a million files, 10 GB.

#![cfg(feature = "solutions")]

#[path = "hostile/archive.rs"]
mod archive;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Cursor, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use archive::{
    BLOCK_DEVICE, CHAR, DIRECTORY, FILE, HARD_LINK, INDEX, Layout, MANIFEST, SYMLINK, Tar, descriptor, empty, gzip,
    header, zeros, zstd,
};
use boxwright::runtime::flatten::flatten;
use boxwright::runtime::image::{Compression, unpack};
use model::Result;
use model::image::{Blob, Digest, Hash, Owners, Sha256};
use model::layer::{Marks, is_opaque};
use model::tree::open_directory;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Map, json};
use testkit::{Shield, dir, drop_capabilities, in_child, shielded};

// ---- refused, or handled right: the verbs ----

#[test]
fn paths_that_leave_the_root() {
    shielded(|| {
        let absolute = outside().join("new").to_str().unwrap().to_owned();
        let paths = ["../outside/new", "a/../../outside/new", "./../outside/new", "..", &absolute, "//outside/new"];
        for path in paths {
            refused(Tar::default().file(path, b"new"), path, "below the root");
            refused(Tar::default().directory(path), path, "below the root");
            refused(Tar::default().symlink(path, "target"), path, "below the root");
            refused(
                Tar::default().file("", b"").records(&[("path", path.as_bytes())]).file("x", b""),
                "",
                "below the root",
            );
            refused(Tar::default().records(&[("path", path.as_bytes())]).file("x", b"new"), path, "below the root");
        }
    });
}

#[test]
fn symlinks_that_are_written_through() {
    shielded(|| {
        let absolute = outside().to_str().unwrap().to_owned();
        for target in ["../outside", &absolute, "/", "/proc/self/root", "a/../../outside", "/proc/self/cwd"] {
            let link = || Tar::default().directory("a").symlink("way", target);
            refused(link().file("way/new", b"new"), "way/new", "EXDEV");
            refused(link().directory("way/new/deep"), "way/new/deep", "EXDEV");
            refused(link().symlink("second", "way").file("second/new", b"new"), "second/new", "EXDEV");
            refused(link().file("way/.wh.file", b""), "way/.wh.file", "EXDEV");
            refused(link().file("way/.wh..wh..opq", b""), "way/.wh..wh..opq", "EXDEV");
            refused(link().hard_link("new", "way/file"), "way/file", "EXDEV");
            // By the link's own name it is the link that is replaced.
            let root = accepted(link().file("way", b"new"));
            assert_eq!(fs::read(root.join("way")).unwrap(), b"new");
            let root = accepted(link().directory("way").file("way/new", b"new"));
            assert_eq!(fs::read(root.join("way/new")).unwrap(), b"new");
        }
        // A name with a slash behind it is not followed.
        let root = accepted(Tar::default().symlink("file", "../outside/file").file("file/", b""));
        assert!(fs::symlink_metadata(root.join("file")).unwrap().is_dir());
        // What stays inside is followed.
        let root = accepted(Tar::default().directory("a/b").symlink("way", "a/../a/b").file("way/new", b"new"));
        assert_eq!(fs::read(root.join("a/b/new")).unwrap(), b"new");
    });
}

#[test]
fn hard_links_to_what_is_outside() {
    shielded(|| {
        let absolute = outside().join("file").to_str().unwrap().to_owned();
        for target in ["../outside/file", &absolute, "a/../../outside/file", ".."] {
            refused(Tar::default().hard_link("link", target), target, "below the root");
        }
        refused(Tar::default().hard_link("link", "missing"), "link to missing", "ENOENT");
        refused(Tar::default().directory("a").hard_link("link", "a"), "link to a", "EPERM");
        refused(Tar::default().hard_link("link", "."), "link to .", "");
        refused(Tar::default().file("own", b"").hard_link("own", "own"), "own to own", "ENOENT");
        // Another name for a link that leads out, and then a file by it: the link is what is replaced.
        let links = Tar::default().symlink("one", "../outside/file").hard_link("two", "one");
        let root = accepted(links.file("two", b"new"));
        assert!(fs::symlink_metadata(root.join("one")).unwrap().is_symlink());
        assert_eq!(fs::read(root.join("two")).unwrap(), b"new");
    });
}

#[test]
fn symlinks_in_a_circle() {
    shielded(|| {
        let circle = || Tar::default().symlink("a", "b").symlink("b", "a");
        refused(circle().file("a/new", b"new"), "a/new", "ELOOP");
        refused(Tar::default().symlink("a", "a").file("a/new", b"new"), "a/new", "ELOOP");
        refused(circle().file("a/.wh.new", b""), "a/.wh.new", "ELOOP");
        refused(Tar::default().symlink("a", "missing").file("a/new", b"new"), "a/new", "EEXIST");
        assert!(fs::symlink_metadata(accepted(circle()).join("a")).unwrap().is_symlink());
    });
}

#[test]
fn devices() {
    shielded(|| {
        refused(Tar::default().device(CHAR, "marks", (0, 0)), "marks", "whiteout");
        // Who may not make them gets the rest.
        let layer = || {
            let devices = Tar::default().device(CHAR, "null", (1, 3)).device(BLOCK_DEVICE, "disk", (8, 0));
            accepted(devices.device(BLOCK_DEVICE, "zero", (0, 0)).file("rest", b"rest"))
        };
        layer();
        in_child(|| {
            drop_capabilities();
            let root = layer();
            assert!(!root.join("null").exists() && !root.join("disk").exists(), "made without the capability for it");
            assert_eq!(fs::read(root.join("rest")).unwrap(), b"rest");
        });
    });
}

#[test]
fn whiteouts_of_what_is_no_name() {
    shielded(|| {
        for name in [".wh.", ".wh..", ".wh..."] {
            for path in [name.to_owned(), format!("dir/{name}"), format!("{name}/"), format!("./{name}")] {
                refused(Tar::default().directory("dir").file(&path, b""), name, "whiteout");
            }
        }
        for path in ["/.wh.outside", "../.wh.outside", "dir/../../.wh.outside", "/.wh..wh..opq", "../.wh..wh..opq"] {
            refused(Tar::default().file(path, b""), path, "below the root");
        }
    });
}

#[test]
fn opaque_markers_that_are_no_files() {
    shielded(|| {
        let opaque =
            |root: &Path, path: &str| is_opaque(open_directory(&root.join(path)).unwrap().as_fd(), marks()).unwrap();
        let tricks = [
            Tar::default().directory("dir").directory("dir/.wh..wh..opq"),
            Tar::default().directory("dir").symlink("dir/.wh..wh..opq", "../../outside"),
            Tar::default().directory("dir").file("dir/.wh..wh..opq", b"content").file("dir/.wh..wh..opq", b""),
            Tar::default().directory("dir").symlink("in", "dir").file("in/.wh..wh..opq", b""),
            Tar::default().file("dir/.wh..wh..opq", b"").directory("dir"),
            Tar::default().file(".wh.dir", b"").directory("dir"),
            Tar::default().directory("dir").file(".wh.dir", b""),
        ];
        for (number, trick) in tricks.into_iter().enumerate() {
            let root = accepted(trick);
            assert!(opaque(&root, "dir"), "number {number}");
            assert_eq!(
                fs::read_dir(root.join("dir")).unwrap().count(),
                0,
                "number {number}: the marker is there as a file"
            );
        }
        refused(Tar::default().file("dir", b"").file("dir/.wh..wh..opq", b""), "dir/.wh..wh..opq", "ENOTDIR");
        // What is no directory any more has nothing to hide.
        let root = accepted(Tar::default().file("dir/.wh..wh..opq", b"").file("dir", b""));
        assert!(root.join("dir").is_file());
        // AUFS's own notes are none of an image's.
        let root = accepted(Tar::default().file(".wh..wh.plnk", b"").directory(".wh..wh.orph").file("rest", b""));
        assert_eq!(fs::read_dir(root).unwrap().count(), 1);
        // The overlay's are nobody else's to write.
        for key in
            ["trusted.overlay.redirect", "user.overlay.redirect", "trusted.overlay.opaque", "user.overlay.opaque"]
        {
            let key = format!("SCHILY.xattr.{key}");
            let root = accepted(Tar::default().records(&[(&key, b"y")]).directory("dir"));
            assert!(!opaque(&root, "dir"), "{key}");
            assert_eq!(xattr::list(root.join("dir")).unwrap().count(), 0, "{key}");
        }
    });
}

#[test]
fn a_file_that_is_a_directory_in_the_next_layer_and_back() {
    shielded(|| {
        let layers = [
            accepted(Tar::default().file("name", b"lowest")),
            accepted(Tar::default().directory("name").file("name/in", b"middle")),
            accepted(Tar::default().file("name", b"top")),
            accepted(Tar::default().directory("name").file("name/.wh.in", b"")),
        ];
        let seen = |count: usize| {
            let layers: Vec<_> = layers[..count].iter().rev().cloned().collect();
            let to = new("flat");
            flatten(&layers, &layers[0], &to, marks()).unwrap();
            to.join("name")
        };
        assert_eq!(fs::read(seen(1)).unwrap(), b"lowest");
        assert_eq!(fs::read(seen(2).join("in")).unwrap(), b"middle");
        assert_eq!(fs::read(seen(3)).unwrap(), b"top");
        assert_eq!(fs::read_dir(seen(4)).unwrap().count(), 0);
        // And in one.
        let root = accepted(Tar::default().file("a", b"").directory("a").file("a/b", b"").file("a", b"end"));
        assert_eq!(fs::read(root.join("a")).unwrap(), b"end");
        // The root stays a directory, whatever an entry would make of it.
        for kind in [FILE, SYMLINK, HARD_LINK, CHAR] {
            let root = header(kind, b".", b"../outside", 0, (1, 3));
            refused(Tar::default().file("a", b"a").entry(&root, b""), "", "");
        }
    });
}

#[test]
fn names_that_are_no_text_and_names_without_end() {
    shielded(|| {
        let odd: [&[u8]; 4] = [b"\xff\xfe", b"new\nline", b"\x1b[31mred", &[b'n'; 255]];
        for name in odd {
            let root = accepted(Tar::default().records(&[("path", name)]).file("x", b"odd"));
            assert_eq!(fs::read(root.join(OsStr::from_bytes(name))).unwrap(), b"odd");
            let hides = [b".wh.", name].concat();
            let root = accepted(Tar::default().records(&[("path", &hides)]).file("x", b""));
            assert_eq!(fs::symlink_metadata(root.join(OsStr::from_bytes(name))).unwrap().rdev(), 0);
            // Whatever is wrong, the name is told in one line, and without a word to the terminal.
            let below = [name, b"/../x"].concat();
            refused(Tar::default().records(&[("path", &below)]).file("x", b""), "", "below the root");
            let below = [name, b"/x"].concat();
            let layer = Tar::default().records(&[("path", name)]).file("x", b"");
            refused(layer.records(&[("path", &below)]).file("x", b""), "", "ENOTDIR");
        }
        let deep: Vec<u8> = b"d/".repeat(2040);
        accepted(Tar::default().records(&[("path", &deep)]).directory("x"));
        for name in [vec![b'n'; 256], vec![b'n'; 4096], b"d/".repeat(2100), vec![b'n'; 100_000]] {
            refused(Tar::default().records(&[("path", &name)]).file("x", b""), "n", "ENAMETOOLONG");
            let target = Tar::default().file("here", b"").records(&[("linkpath", &name)]).symlink("link", "");
            let seen = outcome(&target.end());
            assert!(seen.0.is_err() || name.len() < 4096, "a link of {} bytes", name.len());
        }
        refused(Tar::default().records(&[("path", &vec![b'n'; 2 << 20])]).file("x", b""), "", "bytes at most");
        let long = header(b'L', b"long", b"", 1 << 40, (0, 0));
        refused(Tar::default().entry(&long, b""), "", "bytes at most");
    });
}

#[test]
fn blobs_that_are_not_what_they_are_called() {
    shielded(|| {
        let bytes = Tar::default().file("file", &[7; 5000]).end();
        let digest = Digest::of(&bytes);
        let try_as = |bytes: &[u8], digest, size_bytes| {
            let blob = Blob::new(Cursor::new(bytes.to_vec()), digest, size_bytes as u64);
            told(unpack(blob, Compression::None, owners(), marks(), &new("root")).map(drop))
        };
        assert_eq!(try_as(&bytes, digest, bytes.len()), "");
        let mut other = bytes.clone();
        other[2000] ^= 1;
        assert!(try_as(&other, digest, bytes.len()).contains("digest"));
        assert!(try_as(&bytes[..2000], digest, bytes.len()).contains("2000 bytes"));
        assert!(try_as(&bytes, digest, bytes.len() - 1).contains("size of a blob"));
        assert!(try_as(&[&bytes[..], b"more"].concat(), digest, bytes.len()).contains("size of a blob"));
        // Truncated, and called so.
        for end in [100, 512, 1000, 2000] {
            let seen = try_as(&bytes[..end], Digest::of(&bytes[..end]), end);
            assert!(end == 512 * 11 || seen.contains("unexpected end") || seen.contains("read"), "{end}: {seen}");
        }
        let packed = gzip(&bytes[..]);
        let half = packed[..packed.len() / 2].to_vec();
        let blob = Blob::new(Cursor::new(half.clone()), Digest::of(&half), half.len() as u64);
        assert!(unpack(blob, Compression::Gzip, owners(), marks(), &new("root")).is_err());
    });
}

/// Far longer than what is read ahead of the entry that is made.
#[test]
fn long_layers_are_refused_at_their_first_entry_and_at_their_last_byte() {
    shielded(|| {
        let long = vec![7; 4 << 20];
        refused(Tar::default().file("../early", b"").file("long", &long), "../early", "below the root");
        let mut bytes = Tar::default().file("long", &long).end();
        let (digest, size_bytes) = (Digest::of(&bytes), bytes.len() as u64);
        *bytes.last_mut().unwrap() ^= 1;
        let blob = Blob::new(Cursor::new(bytes), digest, size_bytes);
        let seen = told(unpack(blob, Compression::None, owners(), marks(), &new("root")).map(drop));
        assert!(seen.contains("digest of a blob") && seen.contains(&digest.to_string()), "{seen:?}");
    });
}

#[test]
fn a_million_empty_files() {
    let count = if is_whole() { 1_000_000 } else { 5000 };
    Shield::new().deadline(Duration::from_secs(1800)).run(|| {
        let root = new("root");
        unpack(blob(|| empty(FILE, count)), Compression::None, owners(), marks(), &root).unwrap();
        let files = fs::read_dir(&root).unwrap().map(|dir| fs::read_dir(dir.unwrap().path()).unwrap().count());
        assert_eq!(files.sum::<usize>(), count as usize);
        let peak_kb = peak_kb();
        assert!(peak_kb < 64 << 10, "{peak_kb} kB of memory");
    });
}

#[test]
fn a_sparse_file() {
    let size_bytes = if is_whole() { 10 << 30 } else { 64 << 20 };
    Shield::new().deadline(Duration::from_secs(1800)).run(|| {
        let root = new("root");
        unpack(blob(|| zeros(size_bytes)), Compression::None, owners(), marks(), &root).unwrap();
        let file = fs::metadata(root.join("zeros")).unwrap();
        assert_eq!(file.len(), size_bytes);
        assert!(file.blocks() < 16, "{} blocks on the disk for nothing but zeros", file.blocks());
        assert!(peak_kb() < 64 << 10, "{} kB of memory", peak_kb());
    });
}

// ---- the same, and what no verb sees, through `boxwright load` ----

#[test]
fn load_refuses_with_the_layer_the_entry_and_the_reason() {
    Shield::new().deadline(Duration::from_secs(60)).run(|| {
        let good = Tar::default().file("good", b"good").end();
        let cases: [(Tar, &str, &str); 7] = [
            (Tar::default().file("../outside/new", b"new"), "../outside/new", "below the root"),
            (Tar::default().symlink("way", "../../../../../outside").file("way/new", b""), "way/new", "EXDEV"),
            (Tar::default().hard_link("new", "/etc/passwd"), "/etc/passwd", "below the root"),
            (Tar::default().symlink("a", "a").file("a/new", b""), "a/new", "ELOOP"),
            (Tar::default().file(".wh...", b""), ".wh...", "whiteout"),
            (Tar::default().device(CHAR, "null", (0, 0)), "null", "whiteout"),
            (Tar::default().records(&[("path", b"a\nb/../c")]).file("x", b""), "a\\nb/../c", "below the root"),
        ];
        for (layer, entry, reason) in cases {
            let layer = layer.end();
            for packed in [layer.clone(), gzip(&layer[..])] {
                let digest = Digest::of(&packed).to_string();
                let layers = [(good.clone(), Digest::of(&good)), (packed, Digest::of(&layer))];
                let (layout, image) = Layout::default().image(&layers);
                load_refused(&layout.end(&image), &[&digest, entry, reason], &[]);
            }
        }
    });
}

#[test]
fn load_refuses_what_is_not_what_it_is_called() {
    Shield::new().deadline(Duration::from_secs(60)).run(|| {
        let good = Tar::default().file("good", b"good").end();
        let layers = [(good.clone(), Digest::of(&good))];
        // The layer is another one than the configuration says.
        let wrong = Digest::of(b"another");
        let (layout, image) = Layout::default().image(&[(good.clone(), wrong)]);
        load_refused(&layout.end(&image), &[&Digest::of(&good).to_string(), &wrong.to_string()], &[]);
        // A blob by another one's name.
        let (layout, image) = Layout::default().blob_as(&wrong.hex(), &good).image(&layers);
        load_refused(&layout.end(&image), &[&wrong.to_string(), "digest"], &[]);
        // A blob by a name that leads elsewhere.
        let (layout, image) = Layout::default().blob_as("../../../outside/new", &good).image(&layers);
        load_refused(&layout.end(&image), &["64 digits"], &[]);
        // Half an archive.
        let (layout, image) = Layout::default().image(&layers);
        let whole = layout.end(&image);
        load_refused(&whole[..700], &["end"], &[]);
        // Half a package, by its right name.
        let half = gzip(&good[..])[..40].to_vec();
        let (layout, image) = Layout::default().image(&[(half.clone(), Digest::of(&good))]);
        load_refused(&layout.end(&image), &[&Digest::of(&half).to_string()], &[]);
        // Another size than it has.
        let (layout, id) = Layout::default()
            .blob(b"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
        let config = descriptor("application/vnd.oci.image.config.v1+json", &id.to_string(), 1);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [
            descriptor("application/vnd.oci.image.layer.v1.tar", &Digest::of(b"missing").to_string(), 7)]});
        let (layout, digest) = layout.blob(manifest.to_string().as_bytes());
        load_refused(&layout.end(&descriptor(MANIFEST, &digest.to_string(), 1)), &["0"], &[]);
        // A configuration that is not there, in an archive and in a directory; and one that is too large.
        let image_of = |layout: Layout, id: Digest| {
            let config = descriptor("application/vnd.oci.image.config.v1+json", &id.to_string(), 1);
            let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []});
            let (layout, digest) = layout.blob(manifest.to_string().as_bytes());
            layout.end(&descriptor(MANIFEST, &digest.to_string(), 1))
        };
        let missing = image_of(Layout::default(), wrong);
        let (layout, id) = Layout::default().blob(&[b' '; (4 << 20) + 1]);
        let large = image_of(layout, id);
        let cases = [(missing, wrong, "it is not in there"), (large, id, "larger than 4 MiB")];
        for (archive, id, why) in cases {
            load_refused(&archive, &[&id.to_string(), why], &[]);
            let layout = new("layout");
            let unpacked = Command::new("tar").arg("-xf").arg(file(&archive)).arg("-C").arg(&layout).status();
            assert!(unpacked.unwrap().success());
            refused_by_load(layout.to_str().unwrap(), &[&id.to_string(), why], &[]);
        }
        // What is right is taken.
        boxwright(&["load", "-i", &file(&whole)], &[]).success();
    });
}

#[test]
fn load_refuses_manifests_of_another_kind_and_indexes_without_end() {
    Shield::new().deadline(Duration::from_secs(60)).run(|| {
        let good = Tar::default().file("good", b"good").end();
        let layers = [(good.clone(), Digest::of(&good))];
        for kind in
            ["application/vnd.docker.distribution.manifest.v1+json", "text/html", "application/vnd.oci.artifact.v1"]
        {
            let (layout, mut image) = Layout::default().image(&layers);
            image["mediaType"] = kind.into();
            load_refused(&layout.end(&image), &[kind, "neither a manifest nor an index"], &[]);
            let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": image, "layers": []}).to_string();
            let (layout, digest) = Layout::default().blob(manifest.as_bytes());
            load_refused(&layout.end(&descriptor(MANIFEST, &digest.to_string(), manifest.len())), &[kind], &[]);
        }
        // An index by the media type of a manifest, a manifest by that of an index.
        let (layout, image) = Layout::default().image(&layers);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]}).to_string();
        let (layout, digest) = layout.blob(index.as_bytes());
        load_refused(&layout.clone().end(&descriptor(MANIFEST, &digest.to_string(), index.len())), &["manifest"], &[]);
        let mut swapped = image;
        swapped["mediaType"] = INDEX.into();
        load_refused(&layout.end(&swapped), &["index"], &[]);
        // In a circle they can only go by lying about a digest.
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let to = |digest: Digest| {
            json!({"schemaVersion": 2, "manifests": [descriptor(INDEX, &digest.to_string(), 9)]}).to_string()
        };
        let circle =
            Layout::default().blob_as(&one.hex(), to(other).as_bytes()).blob_as(&other.hex(), to(one).as_bytes());
        load_refused(&circle.end(&descriptor(INDEX, &one.to_string(), 9)), &["digest"], &[]);
        // Without, they go on.
        let (mut layout, mut next) = Layout::default().image(&layers);
        for _ in 0..50 {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [next]}).to_string();
            let digest;
            (layout, digest) = layout.blob(index.as_bytes());
            next = descriptor(INDEX, &digest.to_string(), index.len());
        }
        load_refused(&layout.end(&next), &["index leads to index"], &[]);
        for text in ["", "{", "[]", "null", "{\"manifests\": {}}"] {
            let layout = Tar::default().file("oci-layout", b"{}").file("index.json", text.as_bytes()).end();
            load_refused(&layout, &["index"], &[]);
        }
    });
}

#[test]
fn load_tells_the_limit_of_what_is_unpacked() {
    Shield::new().deadline(Duration::from_secs(120)).run(|| {
        let bytes = zeros(8 << 20);
        let layer = {
            let mut all = Vec::new();
            zeros(8 << 20).read_to_end(&mut all).unwrap();
            all
        };
        let bomb = gzip(bytes);
        assert!(bomb.len() < 100 << 10, "{} bytes are no bomb", bomb.len());
        let (layout, image) = Layout::default().image(&[(bomb.clone(), Digest::of(&layer))]);
        let archive = layout.end(&image);
        let limit = [("BOXWRIGHT_UNPACKED_BYTES", "4194304")];
        let digest = Digest::of(&bomb).to_string();
        load_refused(&archive, &[&digest, "zeros", "more than 4194304 bytes", "BOXWRIGHT_UNPACKED_BYTES"], &limit);
        // The whole archive can be one too, in which the layer is nothing but large.
        let (layout, image) = Layout::default().image(&[(layer.clone(), Digest::of(&layer))]);
        load_refused(&gzip(&layout.end(&image)[..]), &["more than 4194304 bytes"], &limit);
        // And so can a long name.
        let long = header(b'L', b"long", b"", 6 << 20, (0, 0));
        let names = Tar::default().entry(&long, &vec![b'n'; 6 << 20]).end();
        load_refused(&gzip(&names[..]), &["bytes at most"], &[]);
        boxwright(&["load", "-i", &file(&archive)], &[]).success();
    });
}

/// As much of everything as is taken, at once; and of each a little more.
#[test]
fn load_needs_little_memory_whatever_is_in_the_image() {
    const VALUES: usize = 30_000;
    Shield::new().deadline(Duration::from_secs(600)).run(|| {
        let content = |number: u32| -> Box<dyn Read> {
            if is_whole() {
                return Box::new(empty(DIRECTORY, 60_000 + number));
            }
            Box::new(zeros((24 << 20) + u64::from(number) * 512))
        };
        let layers = |window_log| -> Vec<_> {
            (0..4).map(|number| (zstd(content(number), window_log), measured(content(number)).0)).collect()
        };
        let load = |layers: &[_], history: usize, annotations: usize| {
            let history = json!({"history": vec![json!({}); history]});
            let annotations = (0..annotations).map(|key| (format!("{key:x}"), json!("")));
            let annotations = json!({"annotations": Map::from_iter(annotations)});
            let (layout, image) = Layout::default().image_with(layers, &history, &annotations);
            layout.end(&image)
        };
        boxwright(&["load", "-i", &file(&load(&[], 0, 0))], &[]).success();
        let own_kb = peak_of_children_kb();
        boxwright(&["system", "prune", "--all", "--force"], &[]).success();
        load_refused(&load(&layers(24), 10, 10), &["Frame requires too much memory"], &[]);
        let layers = layers(23);
        load_refused(&load(&layers, VALUES, 10), &["configuration", "more than 30000 values"], &[]);
        load_refused(&load(&layers, 10, VALUES), &["manifest", "more than 30000 values"], &[]);
        let packed = zstd(&vec![0; 17 << 20][..], 24);
        load_refused(&packed, &["Frame requires too much memory"], &[]);
        let most = load(&layers, VALUES - 50, VALUES - 50);
        boxwright(&["load", "-i", &file(&most)], &[]).success();
        // Of these 64 MB 10 are for the program itself, which takes less when it is built for release, and twice as much here.
        let more_kb = peak_of_children_kb() - own_kb;
        assert!(more_kb < 54 << 10, "{more_kb} kB of memory beside the program's {own_kb}");
    });
}

#[test]
fn load_tells_the_limit_of_what_waits_for_the_end_of_a_layer() {
    Shield::new().deadline(Duration::from_secs(60)).run(|| {
        let limit = [("BOXWRIGHT_KEPT_BYTES", "1000")];
        let some = Tar::default().directory("dir").file("dir/.wh.gone", b"").file(".wh.other", b"");
        let load = |layer: Vec<u8>| {
            let (layout, image) = Layout::default().image(&[(layer.clone(), Digest::of(&layer))]);
            layout.end(&image)
        };
        boxwright(&["load", "-i", &file(&load(some.clone().end()))], &limit).success();
        boxwright(&["system", "prune", "--all", "--force"], &[]).success();
        for many in [Tar::directory as fn(Tar, String) -> Tar, |layer, path| layer.file(format!("dir/.wh.{path}"), b"")]
        {
            let layer = (0..10).fold(some.clone(), |layer, number| many(layer, format!("dir-{number}")));
            load_refused(
                &load(layer.end()),
                &["dir-", "directories and whiteouts", "more than 1000 bytes", limit[0].0],
                &limit,
            );
        }
    });
}

// ---- how ----

fn is_whole() -> bool {
    std::env::var("BOXWRIGHT_HOSTILE").is_ok_and(|how| how == "whole")
}

/// What no layer may reach: beside the directories that layers are unpacked to.
fn outside() -> PathBuf {
    let outside = dir().join("outside");
    if !outside.exists() {
        fs::create_dir_all(outside.join("dir")).unwrap();
        fs::write(outside.join("file"), "outside").unwrap();
        fs::write(outside.join("dir/file"), "outside").unwrap();
        symlink("file", outside.join("link")).unwrap();
    }
    outside
}

/// An empty directory beside it.
fn new(prefix: &str) -> PathBuf {
    outside();
    tempfile::Builder::new().prefix(prefix).tempdir_in(dir()).unwrap().keep()
}

fn marks() -> Marks {
    Marks::of(&fs::read_to_string("/proc/self/uid_map").unwrap())
}

/// As the command decides it.
fn owners() -> Owners {
    let uid_map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let is_alone = uid_map.lines().count() == 1 && uid_map.split_whitespace().last() == Some("1");
    if is_alone { Owners::Mine } else { Owners::AsTold }
}

/// A blob that is made twice: to be called right, and to be read.
fn blob<R: Read + Send + 'static>(source: impl Fn() -> R) -> Blob {
    let (digest, size_bytes) = measured(source());
    Blob::new(source(), digest, size_bytes)
}

/// The digest of what comes, and how much it is.
fn measured(mut source: impl Read) -> (Digest, u64) {
    let mut hash = Hashing(Sha256::new());
    let size_bytes = io::copy(&mut source, &mut hash).unwrap();
    (Digest(hash.0.finalize().into()), size_bytes)
}

struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks `layer`: what is said, and where it is. Nothing outside is touched.
#[track_caller]
fn outcome(layer: &[u8]) -> (Result<()>, PathBuf) {
    let root = new("root");
    let before = tree(&outside());
    let beside: Vec<_> = names(&dir());
    let layer = layer.to_vec();
    let seen = unpack(blob(|| Cursor::new(layer.clone())), Compression::None, owners(), marks(), &root);
    assert_eq!(tree(&outside()), before, "the layer has reached what is outside");
    assert_eq!(names(&dir()), beside, "the layer has left something beside its root");
    (seen.map(drop), root)
}

#[track_caller]
fn accepted(layer: Tar) -> PathBuf {
    let (seen, root) = outcome(&layer.end());
    seen.unwrap();
    root
}

/// The layer is refused, in one line that has the entry and the reason.
#[track_caller]
fn refused(layer: Tar, entry: &str, reason: &str) {
    let (seen, _) = outcome(&layer.end());
    let told = told(seen);
    assert!(!told.is_empty(), "a layer with {entry:?} was unpacked, and {reason:?} was to be said");
    assert!(told.contains(entry) && told.contains(reason), "{told:?} says nothing of {entry:?} or of {reason:?}");
}

/// What an error says, in one line; nothing of what is right.
#[track_caller]
fn told(seen: Result<()>) -> String {
    let told = seen.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(!told.contains(char::is_control), "not one line, or a word to the terminal: {told:?}");
    told
}

/// All that there is to see of a tree.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let file = fs::symlink_metadata(&path).unwrap();
        if file.is_dir() {
            open.extend(names(&path).iter().map(|name| path.join(name)));
        }
        let content = if file.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let times = (file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec());
        let numbers = (file.mode(), file.uid(), file.gid(), file.ino(), file.nlink());
        seen.insert(path, format!("{numbers:?} {times:?} {content:?}"));
    }
    seen
}

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// How much memory this process has had at once.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How much memory the largest command of this process has had at once, so far.
fn peak_of_children_kb() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss()
}

/// A file with these bytes, for a command.
fn file(bytes: &[u8]) -> String {
    let path = dir().join("archive");
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `boxwright load` refuses the archive in one line that has all the words; nothing outside is touched, nothing is left.
#[track_caller]
fn load_refused(archive: &[u8], words: &[&str], env: &[(&str, &str)]) {
    refused_by_load(&file(archive), words, env);
}

/// The same for what is there already.
#[track_caller]
fn refused_by_load(path: &str, words: &[&str], env: &[(&str, &str)]) {
    let before = tree(&outside());
    let refused = boxwright(&["load", "-i", path], env).failure().stdout("");
    let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert_eq!(told.matches('\n').count(), 1, "not one line: {told}");
    assert!(words.iter().all(|word| told.contains(word)), "{words:?} are not all in: {told}");
    assert_eq!(tree(&outside()), before, "the image has reached what is outside");
    let store = dir().join("data/store");
    let half = |name: &str| names(&store.join(name)).into_iter().find(|name| name.as_bytes().starts_with(b".new"));
    assert_eq!(half("layers"), None, "half a layer is left");
    assert_eq!(names(&store.join("incoming")), [""; 0], "half a blob is left");
    boxwright(&["images", "-q"], &[]).success().stdout("");
    boxwright(&["system", "prune", "--force"], &[]).success();
    assert_eq!(names(&store.join("blobs/sha256")), [""; 0], "after a prune there is something that no image has");
}

fn boxwright(args: &[&str], env: &[(&str, &str)]) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.env("BOXWRIGHT_DATA", dir().join("data")).envs(env.iter().copied()).args(args).assert()
}
