//! "A group is a directory."
//!
//! task: 7
//! test: task7_from_outside_it_is_in_the_group_in_every_hierarchy
//! says: one hierarchy was joined, and each has its own groups

for part in group.parts().iter().take(1) {
    part.write("cgroup.procs", 0)?;
}
unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")
