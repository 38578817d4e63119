//! "A process is in one group."
//!
//! task: 4
//! test: task4_the_process_is_moved_in_every_hierarchy
//! says: a process is in one group of each

group.parts()[0].write("cgroup.procs", process)
