//! "First the namespace, then the group."
//!
//! task: 7
//! test: task7_its_own_group_is_the_top
//! says: it begins where the caller was before it joined

unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")?;
for part in group.parts() {
    part.write("cgroup.procs", 0)?;
}
Ok(())
