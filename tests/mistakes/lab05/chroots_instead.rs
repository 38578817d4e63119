//! "chroot in a mount namespace of one's own is as good."
//!
//! task: 5
//! test: task5_the_walk_out_leads_nowhere
//! says: the door is still open

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
enter_chroot(root)
