//! "New privileges: 0."
//!
//! task: 5
//! test: task5_the_thread_and_what_it_starts_have_it
//! says: prctl(2) wants PR_SET_NO_NEW_PRIVS, 1, and three times 0

// SAFETY: prctl takes five integers here.
let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) };
Errno::result(status).map(drop).during("prctl", "PR_SET_NO_NEW_PRIVS")
