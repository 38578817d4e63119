//! "In the group is in the group."
//!
//! task: 7
//! test: task7_its_own_group_is_the_top
//! says: CLONE_NEWCGROUP is the flag

for part in group.parts() {
    part.write("cgroup.procs", 0)?;
}
Ok(())
