//! "What it may have, its programs may inherit."
//!
//! task: 7
//! test: task7_what_it_starts_gets_no_more
//! says: capset(2) lets nothing become inheritable

let prctl = |option, number: u32| {
    // SAFETY: these options take integers.
    Errno::result(unsafe { libc::prctl(option, libc::c_ulong::from(number), 0, 0, 0) })
};
for number in (0..u64::BITS).filter(|number| !powers.bounding.has(*number)) {
    match prctl(libc::PR_CAPBSET_DROP, number) {
        Err(Errno::EINVAL) => break,
        result => result.during("prctl PR_CAPBSET_DROP", number)?,
    };
}
set_inheritable(u64::MAX)?;
if powers.no_new_privs {
    prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")?;
}
Ok(())
