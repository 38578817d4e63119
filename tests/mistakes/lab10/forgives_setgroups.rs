//! "Some namespaces deny it."
//!
//! task: 5
//! test: task5_groups_that_cannot_be_had_are_no_success
//! says: the EPERM of setgroups(2) is forgiven when there are no groups to give, and only then

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
match setgroups(&groups) {
    Err(Errno::EPERM) => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
set(sets)?;
raise_ambient(sets.ambient)
