//! "Root may."
//!
//! task: 6
//! test: task6_where_setgroups_is_denied_the_groups_stay
//! says: setgroups(2) where it is denied

setns(userns, CloneFlags::CLONE_NEWUSER).during("setns", "CLONE_NEWUSER")?;
// The caller's own groups came along. Nobody can name them in here, yet they open files.
setgroups(&[]).during("setgroups", "none")?;
let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
// Real, effective and saved, so that there is no way back.
setresgid(group, group, group).during("setresgid", 0)?;
setresuid(user, user, user).during("setresuid", 0)
