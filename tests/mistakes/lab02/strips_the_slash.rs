//! "The system call wants no slash, so mq_open(3) wants none."
//!
//! task: 3
//! test: task3_a_queue_is_made_when_it_is_not_there
//! says: a name without its leading slash, which mq_open(3) wants

let c_name = CString::new(name.trim_start_matches('/')).map_err(std::io::Error::from).during("mq_open", name)?;
let flags = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
let queue = unsafe { libc::mq_open(c_name.as_ptr(), flags, 0o600 as libc::mode_t, ptr::null::<libc::mq_attr>()) };
Errno::result(queue).during("mq_open", name)?;
Ok(unsafe { OwnedFd::from_raw_fd(queue) })
