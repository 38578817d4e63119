//! "As root it worked."
//!
//! task: 6
//! test: task6_without_a_right_to_it
//! says: the container would run without a filter, and nobody would know

let len = u16::try_from(filter.len()).or(Err(Errno::EINVAL)).during("seccomp", "SECCOMP_SET_MODE_FILTER")?;
let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
// SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
let is_listener = flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
// SAFETY: the descriptor is new, and nobody else's.
Ok((is_listener && status > 0).then(|| unsafe { OwnedFd::from_raw_fd(status as i32) }))
