//! The classic: "It is a new mount namespace, so what I mount stays in it."
//!
//! task: 6
//! test: task6_the_caller_keeps_its_mounts
//! says: the host's /proc was replaced

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
// SAFETY: the callers have one thread.
let forked = unsafe { fork() }.during("fork", "PID 1 of the new namespace")?;
if forked.is_child() {
    unshare_mounts()?;
    mount_proc(Path::new("/proc"))?;
}
Ok(forked)
