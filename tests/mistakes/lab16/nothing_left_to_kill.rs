//! "When the first process has ended, all have."
//!
//! task: 6
//! test: task6_all_of_them
//! says: a container that is stopped was refused

let container = states.container(id)?;
if !container.state.is_alive() {
    return refuse(&container, "kill", "container not running");
}
if all { pidfd::signal_all(&container, signal) } else { pidfd::signal(&container.state, signal) }
