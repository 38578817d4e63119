//! "pivot_root moves everybody, so it moves me."
//!
//! task: 5
//! test: task5_the_directory_becomes_root_and_working_directory
//! says: this one was left in the old tree

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
let put_old = root.join("old-root");
fs::create_dir(&put_old).during("mkdir", put_old.display())?;
pivot_root(root, &put_old).during("pivot_root", root.display())?;
umount2("/old-root", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
fs::remove_dir("/old-root").during("rmdir", "/old-root")
