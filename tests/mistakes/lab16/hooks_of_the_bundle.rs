//! "The configuration is in the bundle."
//!
//! task: 5
//! test: task5_the_hooks_of_the_container_not_the_bundle
//! says: the bundle's config.json was read again

let (container, _hold) = states.hold(id)?;
require(&container, "start", &[Status::Created])?;
door::knock(container.directory())?;
let hooks = {
    let bundle = container.state.oci.as_ref().map(|oci| oci.bundle.join("config.json")).unwrap_or_default();
    let text = fs::read(&bundle).during("read", bundle.display())?;
    model::Config::read(&text).and_then(|config| model::plan::hooks::Hooks::from_spec(&config.spec)).or_else(|_| container.hooks())?
};
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
