//! "O_CREAT is enough of a flag."
//!
//! task: 3
//! test: task3_a_queue_that_is_there_is_opened_for_both_directions
//! says: opened for one direction alone

let c_name = CString::new(name).map_err(std::io::Error::from).during("mq_open", name)?;
let flags = libc::O_CREAT | libc::O_CLOEXEC;
let queue = unsafe { libc::mq_open(c_name.as_ptr(), flags, 0o600 as libc::mode_t, ptr::null::<libc::mq_attr>()) };
Errno::result(queue).during("mq_open", name)?;
Ok(unsafe { OwnedFd::from_raw_fd(queue) })
