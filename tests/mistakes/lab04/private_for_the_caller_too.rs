//! "Make everything private before anything else": before unshare(2), it is the caller's own mounts that change.
//!
//! task: 6
//! test: task6_the_caller_keeps_its_mounts
//! says: changed their propagation

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
set_propagation(Path::new("/"), Propagation::Private)?;
// SAFETY: the callers have one thread.
let forked = unsafe { fork() }.during("fork", "PID 1 of the new namespace")?;
if forked.is_child() {
    unshare_mounts()?;
    mount_proc(Path::new("/proc"))?;
}
Ok(forked)
