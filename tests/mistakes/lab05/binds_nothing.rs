//! "A directory is a directory."
//!
//! task: 5
//! test: task5_the_directory_becomes_root_and_working_directory
//! test: task5_the_old_root_is_gone
//! says: the new root is a plain directory, and has to be a mount point

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
chdir(root).during("chdir", root.display())?;
pivot_root(".", ".").during("pivot_root", root.display())?;
umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
chdir("/").during("chdir", "/")
