//! "New namespace, new groups."
//!
//! task: 6
//! test: task6_the_groups_are_gone
//! says: the caller's groups came along: nobody can name them inside

setns(userns, CloneFlags::CLONE_NEWUSER).during("setns", "CLONE_NEWUSER")?;
// The caller's own groups came along. Nobody can name them in here, yet they open files.
let may = fs::read_to_string("/proc/self/setgroups").during("read", "/proc/self/setgroups")?;
let _ = may;
let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
// Real, effective and saved, so that there is no way back.
setresgid(group, group, group).during("setresgid", 0)?;
setresuid(user, user, user).during("setresuid", 0)
