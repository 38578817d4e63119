//! "The program must not have them, so away with them."
//!
//! task: 6
//! test: task6_every_descriptor_is_marked_and_none_is_closed
//! says: close_range(2) without CLOSE_RANGE_CLOEXEC

let status = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
Errno::result(status).map(drop).during("close_range", "3..")
