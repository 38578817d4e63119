//! "What is not in keep is closed."
//!
//! task: 5
//! test: task5_nothing_of_the_host_is_left_open
//! says: the command's own input and output

prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
kept.sort_unstable();
let first = [0].into_iter().chain(kept.iter().map(|fd| fd + 1));
let last = kept.iter().map(|fd| fd.saturating_sub(1)).chain([u32::MAX]);
for (first, last) in first.zip(last).filter(|(first, last)| first <= last) {
    // SAFETY: the call takes integers.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(status).during("close_range", format_args!("{first} to {last}"))?;
}
// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "into the PID namespace")
