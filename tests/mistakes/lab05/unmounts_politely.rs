//! "umount is umount."
//!
//! task: 5
//! test: task5_the_directory_becomes_root_and_working_directory
//! test: task5_the_old_root_is_gone
//! says: umount2(2) without MNT_DETACH refuses

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
chdir(root).during("chdir", root.display())?;
pivot_root(".", ".").during("pivot_root", root.display())?;
umount2(".", MntFlags::empty()).during("umount2", "the old root")?;
chdir("/").during("chdir", "/")
