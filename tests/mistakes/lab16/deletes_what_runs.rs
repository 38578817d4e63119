//! "Deleted is deleted."
//!
//! task: 7
//! test: task7_what_runs_is_not_deleted
//! says: without force: require(&container

let (container, hold) = match states.hold(id) {
    Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
    found => found?,
};
pidfd::end(&container)?;
let hooks = container.hooks().unwrap_or_default();
let oci = container.state.oci.clone().unwrap_or_default();
container.remove(hold, states, cpu::remove)?;
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
Ok(hooks::run_all(&hooks.poststop, "poststop", told))
