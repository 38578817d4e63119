//! "Who knocks where nobody waits gets an error from the kernel."
//!
//! task: 5
//! test: task5_only_what_waits_is_started
//! says: require(&container, "start", &[Status::Created]) before anything else

let (container, _hold) = states.hold(id)?;
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
