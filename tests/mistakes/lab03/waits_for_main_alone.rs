//! "Main is my child; I wait for my child."
//!
//! task: 6
//! test: task6_orphans_are_reaped_even_when_one_sigchld_stands_for_many
//! says: the supervisor waits for main alone

loop {
    let mut status = 0;
    let ended = unsafe { libc::waitpid(main.as_raw(), &raw mut status, libc::WNOHANG) };
    if Errno::result(ended).during("waitpid", main)? != 0 {
        return Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) });
    }
    if let Some(info) = signals.read_signal().during("read", "signalfd")? {
        let signal = Signal::try_from(info.ssi_signo as i32).during("read", "signalfd")?;
        if signal != Signal::SIGCHLD {
            forward(signal, main)?;
        }
    }
}
