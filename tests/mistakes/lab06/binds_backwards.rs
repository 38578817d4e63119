//! "Target first, as ln does not."
//!
//! task: 2
//! test: task2_the_host_keeps_its_directory
//! says: source and target were exchanged

let none = None::<&str>;
mount(Some(&place(target)), source, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", source.display())
