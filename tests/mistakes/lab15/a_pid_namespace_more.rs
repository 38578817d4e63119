//! "A PID namespace takes unshare and fork."
//!
//! task: 5
//! test: task5_the_child_is_in_the_pid_namespace
//! says: unshare(2) has no business here

prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|fd| *fd > 2).collect();
kept.sort_unstable();
let first = [3].into_iter().chain(kept.iter().map(|fd| fd + 1));
let last = kept.iter().map(|fd| fd - 1).chain([u32::MAX]);
for (first, last) in first.zip(last).filter(|(first, last)| first <= last) {
    // SAFETY: the call takes integers.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(status).during("close_range", format_args!("{first} to {last}"))?;
}
// As its first process it is 1 in there.
nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWPID")?;
// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "into the PID namespace")
