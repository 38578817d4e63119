//! "32 capabilities."
//!
//! task: 2
//! test: task2_what_is_kept_stays_and_the_rest_goes
//! test: task2_nothing_is_kept
//! says: the numbers go on beyond 31

for number in (0..u32::BITS).filter(|number| !keep.has(*number)) {
    match prctl(libc::PR_CAPBSET_DROP, number, 0) {
        Err(Errno::EINVAL) => break,
        result => result.during("prctl PR_CAPBSET_DROP", number)?,
    }
}
Ok(())
