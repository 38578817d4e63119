//! "What is in the way goes."
//!
//! task: 3
//! test: task3_a_name_that_is_taken_is_refused
//! says: what was there was removed first

match mark {
    Mark::Whiteout(name) => {
        let _ = fs::remove_file(place(directory).join(name));
        let _ = fs::remove_dir_all(place(directory).join(name));
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => xattr::set_deref(place(directory), marks.opaque(), b"y").during("setxattr", marks.opaque().display()),
}
