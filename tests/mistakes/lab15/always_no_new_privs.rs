//! "Safer is safer."
//!
//! task: 7
//! test: task7_no_new_privs_when_the_process_has_it
//! says: sudo inside would not work

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
set_inheritable(0)?;
prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")
