//! "Once to leave the old namespace, once to enter the new one."
//!
//! task: 1
//! test: task1_the_child_is_pid_1_of_a_new_namespace
//! says: and this was the second time

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
// SAFETY: as in the solution.
unsafe { fork() }.during("fork", "PID 1 of the new namespace")
