//! "There is a descriptor: fsetxattr(2)."
//!
//! task: 3
//! test: task3_of_an_opaque_directory_nothing_below_is_seen
//! says: is not written through: place() gives a path

match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => {
        let file = fs::File::from(directory.try_clone_to_owned().during("dup", "the directory")?);
        xattr::FileExt::set_xattr(&file, marks.opaque(), b"y").during("setxattr", marks.opaque().display())
    }
}
