//! "Start calls the hooks with start in their name."
//!
//! task: 5
//! test: task5_lets_it_in_and_calls_its_hooks
//! says: startContainer hooks belong to the container's namespaces

let (container, _hold) = states.hold(id)?;
require(&container, "start", &[Status::Created])?;
door::knock(container.directory())?;
let hooks = container.hooks()?;
let oci = container.state.oci.clone().unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
hooks::run(&hooks.start_container, "startContainer", told)?;
if oci.only_warns() {
    return Ok(hooks::run_all(&hooks.poststart, "poststart", told));
}
if let Err(error) = hooks::run(&hooks.poststart, "poststart", told) {
    pidfd::end(&container)?;
    return Err(error);
}
Ok(Vec::new())
