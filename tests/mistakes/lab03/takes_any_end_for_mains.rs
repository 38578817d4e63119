//! "I have one child, so it must be that one."
//!
//! task: 6
//! test: task6_orphans_are_reaped_even_when_one_sigchld_stands_for_many
//! says: the end of any child was taken for main's

loop {
    if let Some((_, code)) = reap()? {
        return Ok(code);
    }
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
        }
    }
}
