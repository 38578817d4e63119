//! "If it may not, it may not."
//!
//! task: 7
//! test: task7_without_the_capability_it_is_refused
//! says: the result of unshare(2) was thrown away

for part in group.parts() {
    part.write("cgroup.procs", 0)?;
}
let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
Ok(())
