//! "As long as there is a number, with the right start, there is a process."
//!
//! task: 2
//! test: task2_it_has_ended
//! says: a zombie

let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
match model::started_ticks(container.state.pid()) == Some(container.state.started_ticks) {
    false if container.state.pid == 0 && container.is_held() => Status::Creating,
    false => Status::Stopped,
    true if container.is_frozen() => Status::Paused,
    true if !container.is_at_the_door() => Status::Running,
    true if is_made || !container.is_held() => Status::Created,
    true => Status::Creating,
}
