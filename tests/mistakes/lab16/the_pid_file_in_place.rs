//! "Nobody reads a PID file that is not there yet."
//!
//! task: 4
//! test: task4_the_pid_file_last
//! says: the PID file was written in place

let (id, hooks) = (&order.plan.id, &order.plan.hooks);
// The name first: whoever comes second with it changes nothing.
let claim = states.claim(id)?;
// Before anything else is made: whatever happens from here on, `delete` knows what there is.
write_config(&claim, &order.config)?;
let held = cgroup::make(&order.plan, &claim)?;
let mut first = Materials::gather(order, &claim, held.as_ref().map(Held::group))?.fork(&claim)?;
// Before it takes a step: a process that nobody knows of is a process that nobody ends.
let mut state = order.state(first.pid());
write_whole(&claim.directory().join("state.json"), &state.to_json()?)?;
first.limit()?;
// These hooks are the runtime's: they see the host's processes.
first.back_to_own_pids()?;
first.lead_to_the_door(|| {
    let told = Told { oci: &order.oci, id, status: Status::Creating, pid: state.pid };
    hooks::run(&hooks.prestart, "prestart", told)?;
    hooks::run(&hooks.create_runtime, "createRuntime", told)
})?;
state.oci.iter_mut().for_each(|oci| oci.made = true);
write_whole(&claim.directory().join("state.json"), &state.to_json()?)?;
// Whoever waits for this file starts the container as soon as it is there.
if let Some(path) = &order.pid_file {
    fs::write(path, state.pid.to_string()).during("write", path.display())?;
}
// Until here, whatever fails takes all of it back.
let made = first.let_go();
held.into_iter().for_each(Held::keep);
claim.keep();
Ok(made)
