//! "It is created when create says so."
//!
//! task: 2
//! test: task2_a_create_that_was_killed
//! says: create was killed after its process had come to the door

let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
match container.state.is_alive() {
    false if container.state.pid == 0 && container.is_held() => Status::Creating,
    false => Status::Stopped,
    true if container.is_frozen() => Status::Paused,
    true if !container.is_at_the_door() => Status::Running,
    true if is_made => Status::Created,
    true => Status::Creating,
}
