//! "One directory, one bind mount."
//!
//! task: 5
//! test: task5_mounts_below_the_root_come_along
//! says: none of the mounts below

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND, none).during("mount --rbind", root.display())?;
chdir(root).during("chdir", root.display())?;
pivot_root(".", ".").during("pivot_root", root.display())?;
umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
chdir("/").during("chdir", "/")
