//! "EACCES? Then no_new_privs first."
//!
//! task: 6
//! test: task6_without_a_right_to_it
//! test: task6_no_new_privs_is_somebody_elses_to_say
//! says: there is no way back, and su and ping

no_new_privs()?;
let len = u16::try_from(filter.len()).or(Err(Errno::EINVAL)).during("seccomp", "SECCOMP_SET_MODE_FILTER")?;
let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
// SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
let is_listener = flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
match Errno::result(status).during("seccomp", "SECCOMP_SET_MODE_FILTER")? {
    // SAFETY: the descriptor is new, and nobody else's.
    fd if is_listener => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) })),
    0 => Ok(None),
    thread => Err(Errno::ESRCH).during("seccomp", format_args!("thread {thread} has a filter of its own")),
}
