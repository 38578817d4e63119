//! "PR_SET_SECCOMP is seccomp."
//!
//! task: 6
//! test: task6_a_call_that_is_killed
//! says: strict mode was switched on

let _ = (filter, flags);
// SAFETY: prctl takes integers here.
let status = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) };
Errno::result(status).during("prctl", "PR_SET_SECCOMP")?;
Ok(None)
