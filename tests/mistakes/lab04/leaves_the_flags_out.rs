//! "proc is made by the kernel, what could be dangerous in it?"
//!
//! task: 4
//! test: task4_proc_is_nosuid_nodev_and_noexec
//! says: for proc, nosuid, nodev, noexec left out

mount(Some("proc"), target, Some("proc"), MsFlags::empty(), None::<&str>).during("mount proc on", target.display())
