//! "What came before main cannot be meant for it."
//!
//! task: 6
//! test: task6_a_signal_that_comes_before_main_is_kept
//! says: somebody asked for an end, early

let pending = |signals: &SignalFd| {
    let mut ready = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(signals), nix::poll::PollFlags::POLLIN)];
    nix::poll::poll(&mut ready, nix::poll::PollTimeout::ZERO) == Ok(1)
};
while pending(signals) {
    signals.read_signal().during("read", "signalfd")?;
}
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
        }
    }
}
