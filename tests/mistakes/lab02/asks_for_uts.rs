//! "It worked in the last lab."
//!
//! task: 1
//! test: task1_the_caller_gets_a_new_ipc_namespace
//! says: that is the flag of lab 01

unshare(CloneFlags::CLONE_NEWUTS).during("unshare", "CLONE_NEWIPC")
