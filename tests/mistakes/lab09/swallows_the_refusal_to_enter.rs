//! "Then it is in there already."
//!
//! task: 6
//! test: task6_what_cannot_be_entered_is_reported
//! says: what setns(2) returned was thrown away

let _ = setns(userns, CloneFlags::CLONE_NEWUSER);
// The caller's own groups came along. Nobody can name them in here, yet they open files.
let may = fs::read_to_string("/proc/self/setgroups").during("read", "/proc/self/setgroups")?;
if may.trim() == "allow" {
    setgroups(&[]).during("setgroups", "none")?;
}
let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
// Real, effective and saved, so that there is no way back.
setresgid(group, group, group).during("setresgid", 0)?;
setresuid(user, user, user).during("setresuid", 0)
