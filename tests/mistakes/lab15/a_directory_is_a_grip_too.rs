//! "An open /proc/PID stays with its process as well."
//!
//! task: 1
//! test: task1_the_descriptor_is_of_the_process
//! says: is none that setns(2) takes

let fd = match fs::File::open(format!("/proc/{pid}")) {
    Err(_) => return Err(Error::NoSuchProcess(pid)),
    Ok(fd) => OwnedFd::from(fd),
};
if started_ticks(pid) != Some(noted_ticks) {
    return Err(Error::NoSuchProcess(pid));
}
Ok(Process { pid, fd })
