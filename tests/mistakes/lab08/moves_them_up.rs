//! "Out of the way: one up."
//!
//! task: 2
//! test: task2_its_processes_move_into_the_leaf
//! says: and down into the leaf

if let Some(above) = group.parent()? {
    for process in group.read("cgroup.procs")?.lines() {
        above.write("cgroup.procs", process)?;
    }
}
let names: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
group.write("cgroup.subtree_control", names.join(" "))
