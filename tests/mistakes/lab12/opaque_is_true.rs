//! "Any value will do."
//!
//! task: 3
//! test: task3_of_an_opaque_directory_nothing_below_is_seen
//! says: the value of the mark is the letter y

match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => xattr::set_deref(place(directory), marks.opaque(), b"1").during("setxattr", marks.opaque().display()),
}
