//! "A hook that fails is an error."
//!
//! task: 7
//! test: task7_nothing_is_left_and_then_the_hooks
//! says: a poststop hook that fails changes nothing

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
container.remove(hold, states, cpu::remove)?;
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
hooks::run(&hooks.poststop, "poststop", told).map(|()| Vec::new())
