//! "`hold` waits for the others; the second half of what it returns is not needed."
//!
//! task: 5
//! test: task5_nobody_comes_between
//! says: the hold was dropped at once

// The lock first, then the look: a `create` that is not done holds it.
let (container, _) = states.hold(id)?;
require(&container, "start", &[Status::Created])?;
door::knock(container.directory())?;
// Of the configuration that it was made of: the bundle's may be another by now.
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
