//! "The others end with the first."
//!
//! task: 6
//! test: task6_all_of_them
//! says: the first process alone was meant

let container = states.container(id)?;
if !container.state.is_alive() && !(all && status(&container) == Status::Stopped) {
    return refuse(&container, "kill", "container not running");
}
let _ = all;
pidfd::signal(&container.state, signal)
