//! "Whoever calls joins."
//!
//! task: 4
//! test: task4_the_process_is_moved_in_every_hierarchy
//! says: another PID was written

group.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))
