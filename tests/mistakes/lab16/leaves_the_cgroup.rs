//! "Whoever is left in its group ends with it."
//!
//! task: 7
//! test: task7_its_cgroup_goes
//! says: the cgroup was left

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
container.remove(hold, states, |_| Ok(()))?;
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
Ok(hooks::run_all(&hooks.poststop, "poststop", told))
