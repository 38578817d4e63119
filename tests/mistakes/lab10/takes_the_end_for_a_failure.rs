//! "An error is an error."
//!
//! task: 2
//! test: task2_nothing_is_kept
//! test: task2_what_is_kept_stays_and_the_rest_goes
//! says: EINVAL says that the number is past its last one

for number in (0..u64::BITS).filter(|number| !keep.has(*number)) {
    prctl(libc::PR_CAPBSET_DROP, number, 0).during("prctl PR_CAPBSET_DROP", number)?;
}
Ok(())
