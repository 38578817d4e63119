//! "The number, then what to do with it."
//!
//! task: 4
//! test: task4_what_is_asked_for_and_no_other
//! says: prctl(2) takes PR_CAP_AMBIENT, then what to do, then the number of one capability

prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL.cast_unsigned(), 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
for number in caps.numbers() {
    prctl(libc::PR_CAP_AMBIENT, number, libc::PR_CAP_AMBIENT_RAISE.cast_unsigned()).during("prctl", number)?;
}
Ok(())
