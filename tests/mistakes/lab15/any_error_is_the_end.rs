//! "When the kernel refuses, there are no more."
//!
//! task: 7
//! test: task7_a_refusal_is_told
//! says: every error was taken for the end of the numbers

let prctl = |option, number: u32| {
    // SAFETY: these options take integers.
    Errno::result(unsafe { libc::prctl(option, libc::c_ulong::from(number), 0, 0, 0) })
};
for number in (0..u64::BITS).filter(|number| !powers.bounding.has(*number)) {
    if prctl(libc::PR_CAPBSET_DROP, number).is_err() {
        break;
    }
}
set_inheritable(0)?;
if powers.no_new_privs {
    prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")?;
}
Ok(())
