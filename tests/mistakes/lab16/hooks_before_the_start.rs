//! "The hooks are ready, the container waits: hooks first."
//!
//! task: 5
//! test: task5_lets_it_in_and_calls_its_hooks
//! says: poststart is after the start

let (container, _hold) = states.hold(id)?;
require(&container, "start", &[Status::Created])?;
let hooks = container.hooks()?;
let oci = container.state.oci.clone().unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
let _ = hooks::run_all(&hooks.poststart, "poststart", told);
door::knock(container.directory())?;
if oci.only_warns() {
    return Ok(Vec::new());
}
Ok(Vec::new())
