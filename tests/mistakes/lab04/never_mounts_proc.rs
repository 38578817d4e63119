//! "In a new PID namespace, /proc shows the new PIDs."
//!
//! task: 6
//! test: task6_the_child_is_pid_1_and_its_proc_shows_it_alone
//! says: in the child /proc is still the old one

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
// SAFETY: the callers have one thread.
let forked = unsafe { fork() }.during("fork", "PID 1 of the new namespace")?;
if forked.is_child() {
    unshare_mounts()?;
    set_propagation(Path::new("/"), Propagation::Private)?;
}
Ok(forked)
