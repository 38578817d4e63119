//! "Set the stage first, then let the child on." But the new PID namespace has nobody in it before the fork.
//!
//! task: 6
//! test: task6_the_caller_keeps_its_mounts
//! test: task6_the_child_is_pid_1_and_its_proc_shows_it_alone
//! says: the steps were taken before fork(2)

unshare(CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
unshare_mounts()?;
set_propagation(Path::new("/"), Propagation::Private)?;
mount_proc(Path::new("/proc"))?;
// SAFETY: the callers have one thread.
unsafe { fork() }.during("fork", "PID 1 of the new namespace")
