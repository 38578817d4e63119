//! "A user and a group."
//!
//! task: 5
//! test: task5_it_is_who_was_asked_for
//! says: the caller's other groups are still there

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
set(sets)?;
raise_ambient(sets.ambient)
