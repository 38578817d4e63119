//! "A good init leaves nobody behind."
//!
//! task: 6
//! test: task6_an_orphan_that_lives_does_not_hold_it_up
//! says: when main has ended, the others are not worth waiting for

let mut mains = None;
loop {
    loop {
        match reap() {
            Err(error) if error.errno() == Some(Errno::ECHILD) && mains.is_some() => {
                return Ok(mains.unwrap_or_default());
            }
            Ok(None) => break,
            Ok(Some((pid, code))) if pid == main => mains = Some(code),
            other => drop(other?),
        }
    }
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
        }
    }
}
