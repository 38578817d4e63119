//! "Everything that we open is closed at the exec."
//!
//! task: 5
//! test: task5_nothing_of_the_host_is_left_open
//! says: Close-on-exec comes too late

let _ = keep.iter().map(|fd| fd.as_raw_fd()).max();
prctl::set_dumpable(false).during("prctl", "PR_SET_DUMPABLE")?;
// SAFETY: the call takes integers.
let status = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 4) };
Errno::result(status).during("close_range", "CLOSE_RANGE_CLOEXEC")?;
// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "into the PID namespace")
