//! A root directory that nobody walks out of: pivot_root, and not chroot.
//!
//! file: solutions/lab05_root.rs
//! task: 5

let none = None::<&str>;
mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
mount(Some(root), root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).during("mount --rbind", root.display())?;
enter_chroot(root)
