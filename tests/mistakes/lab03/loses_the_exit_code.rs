//! "It has ended: all is well."
//!
//! task: 6
//! test: task6_the_exit_code_is_handed_on
//! test: task6_a_death_by_signal_is_handed_on
//! says: the status that waitpid(2) gave was thrown away

loop {
    while let Some((pid, _)) = reap()? {
        if pid == main {
            return Ok(0);
        }
    }
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
        }
    }
}
