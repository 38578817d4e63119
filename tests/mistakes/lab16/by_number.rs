//! "A signal goes to a PID."
//!
//! task: 6
//! test: task6_nobody_else_is_hit
//! says: kill(2) by number hits whoever has it now

let container = states.container(id)?;
if !Path::new(&format!("/proc/{}", container.state.pid)).exists() {
    return refuse(&container, "kill", "container not running");
}
if !all {
    let command = std::process::Command::new("kill").arg(format!("-{signal}")).arg(container.state.pid.to_string()).output();
    return match command.during("run", "kill")?.status.success() {
        true => Ok(()),
        false => refuse(&container, "kill", "container not running"),
    };
}
if all { pidfd::signal_all(&container, signal) } else { pidfd::signal(&container.state, signal) }
