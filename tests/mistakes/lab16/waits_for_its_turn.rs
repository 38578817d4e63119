//! "Commands on one container take turns."
//!
//! task: 6
//! test: task6_while_another_command_is_busy
//! says: kill waits for the lock

let (container, _hold) = states.hold(id)?;
if !container.state.is_alive() && !(all && status(&container) == Status::Stopped) {
    return refuse(&container, "kill", "container not running");
}
if all { pidfd::signal_all(&container, signal) } else { pidfd::signal(&container.state, signal) }
