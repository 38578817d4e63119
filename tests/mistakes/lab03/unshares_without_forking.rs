//! "After unshare I am in the new namespace, and PID 1 of it."
//!
//! task: 1
//! test: task1_the_child_is_pid_1_of_a_new_namespace
//! says: alone makes no process

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
Ok(ForkResult::Child)
