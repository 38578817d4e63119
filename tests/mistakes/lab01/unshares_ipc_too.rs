//! "More walls can do no harm."
//!
//! task: 1
//! test: task1_the_caller_gets_a_new_uts_namespace
//! says: or more than one flag

unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC).during("unshare", "CLONE_NEWUTS")
