//! "Keep what was set, that is what it is for."
//!
//! task: 5
//! test: task5_an_ordinary_user_has_what_is_ambient
//! says: CAP_SETUID and CAP_SETGID were given up before user and groups were changed

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
set(sets)?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
let is_allowed = || fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "allow");
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() && !is_allowed() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
raise_ambient(sets.ambient)
