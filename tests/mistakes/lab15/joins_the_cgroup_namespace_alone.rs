//! "The cgroup is a namespace too: it is joined with the others."
//!
//! task: 4
//! test: task4_it_is_in_the_cgroup_in_every_hierarchy
//! says: not where the caller is in it

process.lives()?;
setns(&process.fd, NsKind::Cgroup.clone_flag()).during("setns", "CLONE_NEWCGROUP")
