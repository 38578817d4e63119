//! "Every descriptor means every descriptor."
//!
//! task: 6
//! test: task6_every_descriptor_is_marked_and_none_is_closed
//! says: the range starts too low

let status = unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
Errno::result(status).map(drop).during("close_range", "0.. CLOSE_RANGE_CLOEXEC")
