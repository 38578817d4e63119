//! ".wh..wh..opq makes a directory opaque."
//!
//! task: 3
//! test: task3_of_an_opaque_directory_nothing_below_is_seen
//! says: that name is for image layers

match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => fs::write(place(directory).join(".wh..wh..opq"), "").during("write", "the mark"),
}
