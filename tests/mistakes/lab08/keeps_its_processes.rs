//! "Write the names, done."
//!
//! task: 2
//! test: task2_its_processes_move_into_the_leaf
//! says: only one without may hand a controller down

let names: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
group.write("cgroup.subtree_control", names.join(" "))
