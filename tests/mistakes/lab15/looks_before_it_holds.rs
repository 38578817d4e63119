//! "First I look whether it is the right one."
//!
//! task: 1
//! test: task1_the_number_changes_hands_at_the_worst_moment
//! says: Hold first, look then

if started_ticks(pid) != Some(noted_ticks) {
    return Err(Error::NoSuchProcess(pid));
}
// SAFETY: the call takes two integers.
let fd = match Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }) {
    Err(Errno::ESRCH) => return Err(Error::NoSuchProcess(pid)),
    fd => fd.during("pidfd_open", pid)?,
};
// SAFETY: a new descriptor, and nobody else's.
let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
Ok(Process { pid, fd })
