//! "Loaded is loaded."
//!
//! task: 6
//! test: task6_a_listener_answers
//! says: the listener's descriptor was dropped

let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut().cast() };
// SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
let fd = Errno::result(status).during("seccomp", "SECCOMP_SET_MODE_FILTER")? as i32;
let is_listener = flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
// SAFETY: the descriptor is new, and nobody else's.
let _listener = is_listener.then(|| unsafe { OwnedFd::from_raw_fd(fd) });
Ok(None)
