//! "The volume goes into the container."
//!
//! task: 2
//! test: task2_a_file_appears_on_a_file
//! says: MS_MOVE moves a mount

let none = None::<&str>;
mount(Some(source), &place(target), none, MsFlags::MS_MOVE, none).during("mount --move", source.display())
