//! "Stopping is a signal."
//!
//! task: 3
//! test: task3_a_process_that_counts_stops
//! says: the processes were stopped by a signal

let own = Pid::this().to_string();
let processes = |path: PathBuf| fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
if group.part("freezer")?.tree()?.into_iter().map(processes).any(|processes| processes.lines().any(|pid| pid == own)) {
    return Err(Error::invalid("the group to freeze", own, "one that the caller is neither in nor below"));
}

for process in group.processes()? {
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP).during("kill", process)?;
}
Ok(())
