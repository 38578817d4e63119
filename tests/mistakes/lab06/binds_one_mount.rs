//! "A bind mount shows the directory."
//!
//! task: 2
//! test: task2_mounts_below_the_source_come_along
//! says: the mounts below the source are missing

let none = None::<&str>;
mount(Some(source), &place(target), none, MsFlags::MS_BIND, none).during("mount --bind", source.display())
