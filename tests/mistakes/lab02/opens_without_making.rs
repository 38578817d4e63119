//! "Opening is opening; making is somebody else's business."
//!
//! task: 3
//! test: task3_a_queue_is_made_when_it_is_not_there
//! says: without O_CREAT none is made

let c_name = CString::new(name).map_err(std::io::Error::from).during("mq_open", name)?;
let queue = unsafe { libc::mq_open(c_name.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
Errno::result(queue).during("mq_open", name)?;
Ok(unsafe { OwnedFd::from_raw_fd(queue) })
