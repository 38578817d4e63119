//! "A process has 1024 descriptors at most."
//!
//! task: 5
//! test: task5_nothing_of_the_host_is_left_open
//! says: one may have a larger number than the limit is today

prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|fd| *fd > 2).collect();
kept.sort_unstable();
let first = [3].into_iter().chain(kept.iter().map(|fd| fd + 1));
let last = kept.iter().map(|fd| fd - 1).chain([1023]);
for (first, last) in first.zip(last).filter(|(first, last)| first <= last) {
    // SAFETY: the call takes integers.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(status).during("close_range", format_args!("{first} to {last}"))?;
}
// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "into the PID namespace")
