//! "If there is no new namespace to be had, an ordinary child will do."
//!
//! task: 1
//! test: task1_without_the_capability_the_refusal_is_reported
//! says: the result of unshare(2) was thrown away

let _ = unshare(CloneFlags::CLONE_NEWPID);
// SAFETY: as in the solution.
unsafe { fork() }.during("fork", "PID 1 of the new namespace")
