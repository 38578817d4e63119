//! "The file that lists tasks is tasks."
//!
//! task: 4
//! test: task4_a_process_comes_with_all_its_threads
//! says: moves one thread

group.parts().iter().try_for_each(|part| {
    let knob = if part.has("tasks") { "tasks" } else { "cgroup.procs" };
    part.write(knob, process)
})
