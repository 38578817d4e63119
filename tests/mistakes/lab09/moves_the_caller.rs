//! "unshare(2) makes the namespace."
//!
//! task: 5
//! test: task5_the_caller_stays_where_it_is
//! says: there is no way back for it. The child calls it

unshare(CloneFlags::CLONE_NEWUSER).during("unshare", "CLONE_NEWUSER")?;
map(Pid::this(), maps)?;
File::open("/proc/self/ns/user").map(OwnedFd::from).during("open", "/proc/self/ns/user")
