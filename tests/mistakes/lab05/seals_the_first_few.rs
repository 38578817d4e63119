//! "Nobody has more than a handful open."
//!
//! task: 6
//! test: task6_every_descriptor_is_marked_and_none_is_closed
//! says: the range ends too early

let status = unsafe { libc::syscall(libc::SYS_close_range, 3, 10, libc::CLOSE_RANGE_CLOEXEC) };
Errno::result(status).map(drop).during("close_range", "3..10 CLOSE_RANGE_CLOEXEC")
