//! "The command runs, so a hook changes nothing any more."
//!
//! task: 5
//! test: task5_a_poststart_hook_that_fails
//! says: since 1.2 a poststart hook that fails is an error

let (container, _hold) = states.hold(id)?;
require(&container, "start", &[Status::Created])?;
door::knock(container.directory())?;
let hooks = container.hooks()?;
let oci = container.state.oci.clone().unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
Ok(hooks::run_all(&hooks.poststart, "poststart", told))
