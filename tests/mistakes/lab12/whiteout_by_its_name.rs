//! ".wh.NAME hides NAME, as in an image."
//!
//! task: 3
//! test: task3_a_whiteout_hides_what_is_below
//! says: names with .wh. before them are for image layers

match mark {
    Mark::Whiteout(name) => {
        let name = [b".wh.", name.as_bytes()].concat();
        let name = OsStr::from_bytes(&name);
        mknodat(directory, name, SFlag::S_IFREG, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => xattr::set_deref(place(directory), marks.opaque(), b"y").during("setxattr", marks.opaque().display()),
}
