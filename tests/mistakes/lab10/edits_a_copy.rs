//! "capget, change, done."
//!
//! task: 5
//! test: task5_root_may_stay_root_with_less
//! test: task5_an_ordinary_user_without_it_has_nothing
//! says: the sets were edited in a copy, and never given to the kernel

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
let status = std::fs::read_to_string("/proc/thread-self/status").during("read", "/proc/thread-self/status")?;
let mut own = read(&status)?;
(own.permitted, own.effective, own.inheritable) = (sets.permitted, sets.effective, sets.inheritable);
raise_ambient(sets.ambient.and(own.permitted))
