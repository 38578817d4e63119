//! "A queue is a file in /dev/mqueue."
//!
//! task: 3
//! test: task3_a_queue_is_made_when_it_is_not_there
//! test: task3_the_queue_belongs_to_the_callers_namespace
//! says: /dev/mqueue is no part of it

let path = CString::new(format!("/dev/mqueue{name}")).map_err(std::io::Error::from).during("mq_open", name)?;
let flags = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
let queue = unsafe { libc::mq_open(path.as_ptr(), flags, 0o600 as libc::mode_t, ptr::null::<libc::mq_attr>()) };
Errno::result(queue).during("mq_open", name)?;
Ok(unsafe { OwnedFd::from_raw_fd(queue) })
