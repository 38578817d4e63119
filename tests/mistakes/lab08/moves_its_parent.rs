//! "The process that asked."
//!
//! task: 7
//! test: task7_from_outside_it_is_in_the_group_in_every_hierarchy
//! says: another process than the caller was moved

for part in group.parts() {
    part.write("cgroup.procs", nix::unistd::getppid())?;
}
unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")
