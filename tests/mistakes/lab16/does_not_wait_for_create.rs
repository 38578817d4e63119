//! "There is a process at the door: it can be let in."
//!
//! task: 5
//! test: task5_not_while_it_is_being_made
//! says: start did not wait for create

let container = states.container(id)?;
require(&container, "start", &[Status::Creating, Status::Created])?;
door::knock(container.directory())?;
let hooks = container.hooks()?;
let oci = container.state.oci.clone().unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
if oci.only_warns() {
    return Ok(hooks::run_all(&hooks.poststart, "poststart", told));
}
if let Err(error) = hooks::run(&hooks.poststart, "poststart", told) {
    pidfd::end(&container)?;
    return Err(error);
}
Ok(Vec::new())
