//! "As many hierarchies as let it in."
//!
//! task: 4
//! test: task4_a_process_that_is_gone_is_reported
//! test: task4_a_group_that_takes_nobody_in_is_reported
//! says: the container would run without its limits

for part in group.parts() {
    let _ = part.write("cgroup.procs", process);
}
Ok(())
