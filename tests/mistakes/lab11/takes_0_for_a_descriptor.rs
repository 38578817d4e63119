//! "It returns a descriptor."
//!
//! task: 6
//! test: task6_nobody_listens_who_was_not_asked_for
//! says: the 0 of success was taken for a descriptor

let len = u16::try_from(filter.len()).or(Err(Errno::EINVAL)).during("seccomp", "SECCOMP_SET_MODE_FILTER")?;
let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
// SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
let is_synced = flags & libc::SECCOMP_FILTER_FLAG_TSYNC != 0;
match Errno::result(status).during("seccomp", "SECCOMP_SET_MODE_FILTER")? {
    thread if is_synced && thread != 0 => Err(Errno::ESRCH).during("seccomp", format_args!("thread {thread}")),
    // SAFETY: the descriptor is new, and nobody else's.
    fd => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) })),
}
