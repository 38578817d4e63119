//! "Without a process it has ended."
//!
//! task: 2
//! test: task2_a_create_that_was_killed
//! says: there is a name, a lock that is held, and no process yet

let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
match container.state.is_alive() {
    false => Status::Stopped,
    true if container.is_frozen() => Status::Paused,
    true if !container.is_at_the_door() => Status::Running,
    true if is_made || !container.is_held() => Status::Created,
    true => Status::Creating,
}
