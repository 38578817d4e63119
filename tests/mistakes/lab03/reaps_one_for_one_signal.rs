//! "One SIGCHLD, one child, one waitpid."
//!
//! task: 6
//! test: task6_orphans_are_reaped_even_when_one_sigchld_stands_for_many
//! says: one child was reaped for one SIGCHLD

loop {
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
            continue;
        }
        if let Some((pid, code)) = reap()?
            && pid == main
        {
            return Ok(code);
        }
    }
}
