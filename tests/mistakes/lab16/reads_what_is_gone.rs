//! "The hooks are needed at the end, so they are read there."
//!
//! task: 7
//! test: task7_nothing_is_left_and_then_the_hooks
//! says: no hook was called: the configuration goes with the directory

let (container, hold) = match states.hold(id) {
    Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
    found => found?,
};
if !force {
    require(&container, "delete", &[Status::Stopped])?;
}
pidfd::end(&container)?;
let directory = container.directory().to_owned();
let oci = container.state.oci.clone().unwrap_or_default();
container.remove(hold, states, cpu::remove)?;
let config: Option<oci_spec::runtime::Spec> = fs::read(directory.join("config.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
let hooks = config.and_then(|config| model::plan::hooks::Hooks::from_spec(&config).ok()).unwrap_or_default();
let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
Ok(hooks::run_all(&hooks.poststop, "poststop", told))
