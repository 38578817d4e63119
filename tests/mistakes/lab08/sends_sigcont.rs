//! "Going on is a signal."
//!
//! task: 4
//! test: task4_they_go_on
//! says: a signal does not wake it, its own knob does

for process in group.processes()? {
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGCONT).during("kill", process)?;
}
Ok(())
