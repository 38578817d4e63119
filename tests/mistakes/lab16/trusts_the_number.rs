//! "A process with its number is there, so it lives."
//!
//! task: 2
//! test: task2_another_has_its_number
//! says: the number is another's, which started later

let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
let stat = fs::read_to_string(format!("/proc/{}/stat", container.state.pid)).unwrap_or_default();
let is_alive = container.state.pid > 0 && !stat.is_empty() && !stat.contains(") Z ");
match is_alive {
    false if container.state.pid == 0 && container.is_held() => Status::Creating,
    false => Status::Stopped,
    true if container.is_frozen() => Status::Paused,
    true if !container.is_at_the_door() => Status::Running,
    true if is_made || !container.is_held() => Status::Created,
    true => Status::Creating,
}
