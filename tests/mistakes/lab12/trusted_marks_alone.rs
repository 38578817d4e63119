//! "The mark is trusted.overlay.opaque."
//!
//! task: 3
//! test: task3_of_an_opaque_directory_nothing_below_is_seen
//! says: the mark is in the other name space

let _ = marks;
match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => xattr::set_deref(place(directory), Marks::Trusted.opaque(), b"y").during("setxattr", Marks::Trusted.opaque().display()),
}
