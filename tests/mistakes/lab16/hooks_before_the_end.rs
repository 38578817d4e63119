//! "The hooks clean up what the container has, so they need it."
//!
//! task: 7
//! test: task7_nothing_is_left_and_then_the_hooks
//! says: the hooks were called before the container was removed

let (container, hold) = match states.hold(id) {
    Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
    found => found?,
};
if !force {
    require(&container, "delete", &[Status::Stopped])?;
}
pidfd::end(&container)?;
let hooks = container.hooks().unwrap_or_default();
let oci = container.state.oci.clone().unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
let failed = hooks::run_all(&hooks.poststop, "poststop", told);
container.remove(hold, states, cpu::remove)?;
Ok(failed)
