//! "A capability is a bit."
//!
//! task: 2
//! test: task2_nothing_is_kept
//! says: PR_CAPBSET_DROP takes the number of one capability; bits of a mask were passed

for number in (0..u32::BITS).filter(|number| !keep.has(*number)) {
    match prctl(libc::PR_CAPBSET_DROP, 1 << number, 0) {
        Err(Errno::EINVAL) => break,
        result => result.during("prctl PR_CAPBSET_DROP", number)?,
    }
}
Ok(())
