//! "Whoever waits at the door cannot be paused: it does not run."
//!
//! task: 2
//! test: task2_paused
//! says: is_frozen() comes before the door

let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
match container.state.is_alive() {
    // Not yet there, or never to be: whoever made it was killed.
    false if container.state.pid == 0 && container.is_held() => Status::Creating,
    false => Status::Stopped,
    true if container.is_frozen() && !container.is_at_the_door() => Status::Paused,
    true if !container.is_at_the_door() => Status::Running,
    true if is_made || !container.is_held() => Status::Created,
    true => Status::Creating,
}
