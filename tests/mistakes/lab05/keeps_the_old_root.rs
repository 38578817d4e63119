//! "Once pivoted, the old root is out of sight."
//!
//! task: 5
//! test: task5_the_old_root_is_gone
//! says: the old root is still mounted, with all that is below it

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
chdir(root).during("chdir", root.display())?;
pivot_root(".", ".").during("pivot_root", root.display())?;
chdir("/").during("chdir", "/")
