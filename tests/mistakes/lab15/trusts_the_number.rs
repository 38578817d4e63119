//! "The state says its PID, so that is the process."
//!
//! task: 1
//! test: task1_another_with_the_number_is_not_meant
//! says: the number alone was looked at

let _ = noted_ticks;
// SAFETY: the call takes two integers.
let fd = match Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }) {
    Err(Errno::ESRCH) => return Err(Error::NoSuchProcess(pid)),
    fd => fd.during("pidfd_open", pid)?,
};
// SAFETY: a new descriptor, and nobody else's.
let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
Ok(Process { pid, fd })
