//! "User, group, groups."
//!
//! task: 5
//! test: task5_it_is_who_was_asked_for
//! says: the groups come before the user

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresuid(uid, uid, uid).during("setresuid", uid)?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
setresgid(gid, gid, gid).during("setresgid", gid)?;
set(sets)?;
raise_ambient(sets.ambient)
