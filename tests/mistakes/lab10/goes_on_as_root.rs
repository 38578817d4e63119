//! "If the user is not there, so be it."
//!
//! task: 5
//! test: task5_an_id_that_is_not_mapped_is_refused
//! says: the container runs as somebody else than asked for

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
let is_allowed = || fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "allow");
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() && !is_allowed() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
let _ = setresgid(gid, gid, gid);
let _ = setresuid(uid, uid, uid);
set(sets)?;
raise_ambient(sets.ambient)
