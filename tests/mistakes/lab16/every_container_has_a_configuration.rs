//! "Every container was made of a configuration."
//!
//! task: 7
//! test: task7_half_made
//! says: one that is half-made has no configuration

let (container, hold) = match states.hold(id) {
    Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
    found => found?,
};
if !force {
    require(&container, "delete", &[Status::Stopped])?;
}
pidfd::end(&container)?;
let hooks = container.hooks()?;
let oci = container.state.oci.clone().unwrap_or_default();
container.remove(hold, states, cpu::remove)?;
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
Ok(hooks::run_all(&hooks.poststop, "poststop", told))
