//! "It has a namespace of each kind."
//!
//! task: 2
//! test: task2_the_kinds_that_differ
//! says: a namespace that both are in was counted

process.lives()?;
Ok(vec![NsKind::User, NsKind::Mnt, NsKind::Pid, NsKind::Net, NsKind::Ipc, NsKind::Uts, NsKind::Cgroup])
