//! "Stopping is a signal."
//!
//! task: 3
//! test: task3_a_process_that_counts_stops
//! says: the processes were stopped by a signal

if group.processes()?.contains(&Pid::this()) {
    return Err(Error::invalid("the group to freeze", Pid::this().to_string(), "one that the caller is not in"));
}

for process in group.processes()? {
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP).during("kill", process)?;
}
Ok(())
