//! "Loaded is loaded."
//!
//! task: 6
//! test: task6_a_listener_answers
//! says: the listener's descriptor was dropped

let len = u16::try_from(filter.len()).or(Err(Errno::EINVAL)).during("seccomp", "SECCOMP_SET_MODE_FILTER")?;
let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
// SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
let is_listener = flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
match Errno::result(status).during("seccomp", "SECCOMP_SET_MODE_FILTER")? {
    fd if is_listener => {
        // SAFETY: the descriptor is new, and nobody else's.
        let _listener = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(None)
    }
    0 => Ok(None),
    thread => Err(Errno::ESRCH).during("seccomp", format_args!("thread {thread} has a filter of its own")),
}
