//! "A container needs all of them anyway."
//!
//! task: 1
//! test: task1_the_caller_gets_a_new_ipc_namespace
//! says: or more than one flag

unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS).during("unshare", "CLONE_NEWIPC")
