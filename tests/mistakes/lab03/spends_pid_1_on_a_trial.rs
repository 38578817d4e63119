//! "First a child to see whether it works, then the one that stays."
//!
//! task: 1
//! test: task1_the_child_is_pid_1_of_a_new_namespace
//! test: task1_no_other_namespace_is_new
//! says: nobody can be born there any more

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
// SAFETY: as in the solution; the trial ends at once.
match unsafe { fork() }.during("fork", "a trial")? {
    ForkResult::Child => unsafe { libc::_exit(0) },
    ForkResult::Parent { child } => nix::sys::wait::waitpid(child, None).during("waitpid", child)?,
};
// SAFETY: as in the solution.
unsafe { fork() }.during("fork", "PID 1 of the new namespace")
