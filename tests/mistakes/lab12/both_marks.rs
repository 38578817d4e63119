//! "One of the two will be read."
//!
//! task: 3
//! test: task3_of_an_opaque_directory_nothing_below_is_seen
//! says: marks were written to both name spaces

match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => {
        for one in [Marks::Trusted, Marks::User] {
            let _ = xattr::set_deref(place(directory), one.opaque(), b"y");
        }
        xattr::set_deref(place(directory), marks.opaque(), b"y").during("setxattr", marks.opaque().display())
    }
}
