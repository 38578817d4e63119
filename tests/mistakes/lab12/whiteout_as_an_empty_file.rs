//! "A whiteout is an empty file."
//!
//! task: 3
//! test: task3_a_whiteout_hides_what_is_below
//! says: an empty file is a file

match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFREG, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => xattr::set_deref(place(directory), marks.opaque(), b"y").during("setxattr", marks.opaque().display()),
}
