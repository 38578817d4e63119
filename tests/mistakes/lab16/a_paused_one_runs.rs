//! "Whoever is alive and was let in, runs."
//!
//! task: 2
//! test: task2_paused
//! says: a paused process is alive, and not at the door

let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
match container.state.is_alive() {
    false if container.state.pid == 0 && container.is_held() => Status::Creating,
    false => Status::Stopped,
    true if !container.is_at_the_door() => Status::Running,
    true if is_made || !container.is_held() => Status::Created,
    true => Status::Creating,
}
