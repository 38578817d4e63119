//! "EPERM with no groups to give: it must be the namespace."
//!
//! task: 5
//! test: task5_without_setgid_no_groups_are_kept_in_silence
//! says: the EPERM of setgroups(2) is forgiven where nothing denies the call

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
set(sets)?;
raise_ambient(sets.ambient)
