//! "An empty directory hides what was in it."
//!
//! task: 3
//! test: task3_of_an_opaque_directory_nothing_below_is_seen
//! says: the directory has no mark: the old files shine through

match mark {
    Mark::Whiteout(name) => {
        mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).during("mknod", name.display())
    }
    Mark::Opaque => Ok(()),
}
