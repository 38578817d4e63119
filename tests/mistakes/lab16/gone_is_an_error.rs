//! "Nobody can delete what is not there."
//!
//! task: 7
//! test: task7_what_runs_is_not_deleted
//! says: that it is gone is what they want

let (container, hold) = states.hold(id)?;
if !force {
    require(&container, "delete", &[Status::Stopped])?;
}
pidfd::end(&container)?;
let hooks = container.hooks().unwrap_or_default();
let oci = container.state.oci.clone().unwrap_or_default();
container.remove(hold, states, cpu::remove)?;
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
Ok(hooks::run_all(&hooks.poststop, "poststop", told))
