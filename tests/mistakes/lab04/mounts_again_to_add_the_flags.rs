//! "First mount it, then mount it again with the flags."
//!
//! task: 5
//! test: task5_the_queues_are_files_and_those_of_the_caller_alone
//! says: a second mount does not change the flags of the first

let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
for flags in [MsFlags::empty(), flags] {
    mount(Some("mqueue"), target, Some("mqueue"), flags, None::<&str>).during("mount mqueue on", target.display())?;
}
Ok(())
