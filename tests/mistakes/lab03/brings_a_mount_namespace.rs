//! "A new PID namespace is no good without new mounts."
//!
//! task: 1
//! test: task1_no_other_namespace_is_new
//! says: the other labs add theirs

unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS).during("unshare", "CLONE_NEWPID")?;
// SAFETY: as in the solution.
unsafe { fork() }.during("fork", "PID 1 of the new namespace")
