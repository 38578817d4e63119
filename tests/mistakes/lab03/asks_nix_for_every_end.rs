//! "reap() is waitpid() with more words: I take nix's."
//!
//! task: 6
//! test: task6_a_real_time_signal_ends_an_orphan_and_not_its_init
//! test: task6_a_death_by_real_time_signal_is_handed_on
//! says: nix's waitpid reaps a child that a real-time signal has killed

loop {
    loop {
        let status = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)).during("waitpid", main)?;
        match (status.pid(), exit_code(status)) {
            (None, _) => break,
            (Some(pid), Some(code)) if pid == main => return Ok(code),
            _ => {}
        }
    }
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
        }
    }
}
