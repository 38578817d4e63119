//! "Everything is below /, so / is enough."
//!
//! task: 5
//! test: task5_the_directory_becomes_root_and_working_directory
//! test: task5_the_old_root_is_gone
//! says: MS_PRIVATE without MS_REC changes one mount

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_PRIVATE, none).during("mount", "/ MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
chdir(root).during("chdir", root.display())?;
pivot_root(".", ".").during("pivot_root", root.display())?;
umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
chdir("/").during("chdir", "/")
