//! "It is closed up, so there is nothing to see."
//!
//! task: 5
//! test: task5_nobody_in_there_can_look_into_it
//! says: CVE-2019-5736

let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|fd| *fd > 2).collect();
kept.sort_unstable();
let first = [3].into_iter().chain(kept.iter().map(|fd| fd + 1));
let last = kept.iter().map(|fd| fd - 1).chain([u32::MAX]);
for (first, last) in first.zip(last).filter(|(first, last)| first <= last) {
    // SAFETY: the call takes integers.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(status).during("close_range", format_args!("{first} to {last}"))?;
}
// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "into the PID namespace")
