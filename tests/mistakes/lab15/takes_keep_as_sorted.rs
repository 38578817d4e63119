//! "From the last number of keep on."
//!
//! task: 5
//! test: task5_nothing_of_the_host_is_left_open
//! says: the numbers in keep come in any order

prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
let mut first = 3;
for last in keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()) {
    if first < last {
        // SAFETY: the call takes integers.
        unsafe { libc::syscall(libc::SYS_close_range, first, last - 1, 0) };
    }
    first = last + 1;
}
// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "into the PID namespace")
