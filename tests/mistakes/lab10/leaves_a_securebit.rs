//! "SECBIT_NO_SETUID_FIXUP keeps them too."
//!
//! task: 5
//! test: task5_nothing_else_is_left_behind
//! says: another bit stays, and changes what capabilities mean for the program

drop_bounding(sets.bounding)?;
let no_setuid_fixup = 1 << 2;
prctl(libc::PR_SET_SECUREBITS, no_setuid_fixup, 0).during("prctl", "PR_SET_SECUREBITS")?;
let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
let is_allowed = || fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "allow");
match setgroups(&groups) {
    Err(Errno::EPERM) if groups.is_empty() && !is_allowed() => {}
    result => result.during("setgroups", format_args!("{groups:?}"))?,
}
let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
setresgid(gid, gid, gid).during("setresgid", gid)?;
setresuid(uid, uid, uid).during("setresuid", uid)?;
set(sets)?;
raise_ambient(sets.ambient)
