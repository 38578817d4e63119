//! "First the power, then the rest."
//!
//! task: 5
//! test: task5_root_may_stay_root_with_less
//! says: CAP_SETPCAP was given up before the bounding set was dropped

set(sets)?;
drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
raise_ambient(sets.ambient)
