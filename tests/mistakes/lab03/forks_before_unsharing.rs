//! "The child is the one that has to move, so the child unshares."
//!
//! task: 1
//! test: task1_the_child_is_pid_1_of_a_new_namespace
//! says: it moves the children of its caller, never the caller

// SAFETY: as in the solution.
let forked = unsafe { fork() }.during("fork", "PID 1 of the new namespace")?;
if forked.is_child() {
    unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
}
Ok(forked)
