//! "O_EXCL is safer."
//!
//! task: 3
//! test: task3_a_queue_that_is_there_is_opened_for_both_directions
//! says: and O_EXCL refuses that

let c_name = CString::new(name).map_err(std::io::Error::from).during("mq_open", name)?;
let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
let queue = unsafe { libc::mq_open(c_name.as_ptr(), flags, 0o600 as libc::mode_t, ptr::null::<libc::mq_attr>()) };
Errno::result(queue).during("mq_open", name)?;
Ok(unsafe { OwnedFd::from_raw_fd(queue) })
