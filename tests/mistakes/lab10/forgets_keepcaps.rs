//! "The capabilities come last."
//!
//! task: 5
//! test: task5_an_ordinary_user_has_what_is_ambient
//! says: the user was changed, and with it went all that was permitted: PR_SET_KEEPCAPS

drop_bounding(sets.bounding)?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
set(sets)?;
raise_ambient(sets.ambient)
