//! "The container wants both, so take both in one call."
//!
//! task: 1
//! test: task1_the_caller_gets_a_new_mount_namespace
//! says: more than one flag: CLONE_NEWNS is the one

unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).during("unshare", "CLONE_NEWNS")
