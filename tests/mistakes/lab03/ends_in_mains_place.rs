//! "SIGTERM came, so it is over."
//!
//! task: 6
//! test: task6_every_signal_is_passed_on
//! says: it is main who decides when to end

loop {
    while let Some((pid, code)) = reap()? {
        if pid == main {
            return Ok(code);
        }
    }
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
            return Ok(128 + signal as i32);
        }
    }
}
