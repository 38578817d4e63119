//! "root is a user."
//!
//! task: 6
//! test: task6_every_id_is_0
//! says: one of user and group is still the caller's

setns(userns, CloneFlags::CLONE_NEWUSER).during("setns", "CLONE_NEWUSER")?;
// The caller's own groups came along. Nobody can name them in here, yet they open files.
let may = fs::read_to_string("/proc/self/setgroups").during("read", "/proc/self/setgroups")?;
if may.trim() == "allow" {
    setgroups(&[]).during("setgroups", "none")?;
}
let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
// Real, effective and saved, so that there is no way back.
let _ = group;
setresuid(user, user, user).during("setresuid", 0)
