//! "None are to be ambient, so there is nothing to do."
//!
//! task: 5
//! test: task5_what_was_ambient_is_so_no_more
//! says: where none is to be ambient

// First, while CAP_SETPCAP is there.
drop_bounding(sets.bounding)?;
// Who changes from 0 to another user loses everything permitted, unless they said this.
nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
// In a user namespace with "deny" nobody could drop any, and there are none to be had.
let is_allowed = || fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "allow");
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() && !is_allowed() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
// The group before the user, who may not change it any more.
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
// After the change, which has emptied the effective set.
set(sets)?;
if sets.ambient == CapSet::EMPTY { Ok(()) } else { raise_ambient(sets.ambient) }
