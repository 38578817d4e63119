//! "No groups is a list too."
//!
//! task: 5
//! test: task5_where_setgroups_is_denied_there_are_none_to_drop
//! says: nobody can have groups there to drop

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
setgroups(&groups).during("setgroups", format_args!("{groups:?}"))?;
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
set(sets)?;
raise_ambient(sets.ambient)
