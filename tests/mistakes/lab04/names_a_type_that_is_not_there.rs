//! "procfs, as the books call it."
//!
//! task: 4
//! test: task4_the_new_proc_shows_the_pid_namespace_of_the_caller
//! says: the kernel has no file system of the type that was named

let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
mount(Some("proc"), target, Some("procfs"), flags, None::<&str>).during("mount proc on", target.display())
