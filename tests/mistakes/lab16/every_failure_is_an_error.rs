//! "A hook that fails is an error."
//!
//! task: 5
//! test: task5_a_poststart_hook_that_fails
//! says: Oci::only_warns() tells the two apart

let (container, _hold) = states.hold(id)?;
require(&container, "start", &[Status::Created])?;
door::knock(container.directory())?;
let hooks = container.hooks()?;
let oci = container.state.oci.clone().unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
if let Err(error) = hooks::run(&hooks.poststart, "poststart", told) {
    pidfd::end(&container)?;
    return Err(error);
}
Ok(Vec::new())
