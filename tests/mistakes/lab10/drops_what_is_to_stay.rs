//! "drop_bounding(caps) drops caps."
//!
//! task: 2
//! test: task2_what_is_kept_stays_and_the_rest_goes
//! says: what was to be kept was dropped, and the rest kept

for number in keep.numbers() {
    match prctl(libc::PR_CAPBSET_DROP, number, 0) {
        Err(Errno::EINVAL) => break,
        result => result.during("prctl PR_CAPBSET_DROP", number)?,
    }
}
Ok(())
