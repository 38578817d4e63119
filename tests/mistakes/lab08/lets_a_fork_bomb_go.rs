//! "Where processor and memory are counted."
//!
//! task: 7
//! test: task7_a_fork_bomb_is_held
//! says: whoever has not joined that one may fork without end

for controller in ["cpu", "memory"] {
    group.part(controller)?.write("cgroup.procs", 0)?;
}
unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")
