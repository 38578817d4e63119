//! What holds for every text that is given as the archive of a layer: it is refused in one line, or unpacked; and whichever it is,
//! nothing outside of its directory is there that was not, or is another.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use boxwright::steps::image;
use model::image::{Archive, ArchiveWriter, Owners};
use model::layer::Marks;
use model::tree::open_directory;

/// What lies beside the directory that a layer is unpacked to; archives of the corpus reach for it.
const OUTSIDE: &str = "outside";

/// Panics when the archive reaches out of the new directory that is made for it in `place`, or cannot be written again.
pub fn check(place: &Path, bytes: &[u8]) {
    let place = tempfile::tempdir_in(place).expect("a directory");
    let (root, outside) = (place.path().join("root"), place.path().join(OUTSIDE));
    fs::create_dir(&root).expect("a directory");
    fs::write(&outside, OUTSIDE).expect("a file");
    let seen = || {
        let file = fs::symlink_metadata(&outside).expect("what is outside is there");
        let names = fs::read_dir(place.path()).expect("the directory").count();
        (names, file.ino(), file.mode(), file.uid(), file.nlink(), file.len(), file.mtime(), file.ctime_nsec())
    };
    let before = seen();
    let uid_map = fs::read_to_string("/proc/self/uid_map").expect("proc");
    let marks = Marks::of(&uid_map);
    let applied = open_directory(&root)
        .and_then(|root| image::apply(root.as_fd(), &mut Archive::new(bytes, Owners::Mine), marks));
    assert_eq!(seen(), before, "the layer has reached what is outside");
    match applied {
        Err(error) => {
            let told = error.to_string();
            assert!(!told.contains(char::is_control), "not one line: {told:?}");
        }
        Ok(()) => {
            // Directories that nobody may read are read by root alone.
            let written = |root: &Path| {
                let mut bytes = Vec::new();
                let mut layer = ArchiveWriter::new(&mut bytes);
                let written = open_directory(root).and_then(|root| image::write_layer(root.as_fd(), marks, &mut layer));
                written.and_then(|()| layer.finish()).map(|()| bytes)
            };
            if let (Ok(one), Ok(other)) = (written(&root), written(&root)) {
                assert!(one == other, "the same files have given other bytes");
            }
        }
    }
    // What is left is removed whole, whatever its modes.
    drop(testkit::remove_tree(&root));
}
