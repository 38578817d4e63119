//! "/ is private, so the rest is."
//!
//! task: 6
//! test: task6_the_caller_keeps_its_mounts
//! says: but /proc, a mount of its own below it, is still shared

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
// SAFETY: the callers have one thread.
let forked = unsafe { fork() }.during("fork", "PID 1 of the new namespace")?;
if forked.is_child() {
    unshare_mounts()?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE, None::<&str>).during("mount", "MS_PRIVATE")?;
    mount_proc(Path::new("/proc"))?;
}
Ok(forked)
