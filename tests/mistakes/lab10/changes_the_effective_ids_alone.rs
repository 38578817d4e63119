//! "seteuid is who it is in effect."
//!
//! task: 5
//! test: task5_it_is_who_was_asked_for
//! says: real, effective and saved are three ids

drop_bounding(sets.bounding)?;
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
nix::unistd::setegid(gid).during("setegid", gid)?;
nix::unistd::seteuid(uid).during("seteuid", uid)?;
set(sets)?;
raise_ambient(sets.ambient)
