//! "Where PR_CAPBSET_READ says no, the numbers end."
//!
//! task: 2
//! test: task2_what_is_gone_already_is_no_end
//! says: one that is not in the set any more was taken for the end of the numbers

let is_there = |number: u32| {
    // SAFETY: the option takes an integer.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0) == 1 }
};
for number in (0..u64::BITS).take_while(|number| is_there(*number)) {
    if !keep.has(number) {
        prctl(libc::PR_CAPBSET_DROP, number, 0).during("prctl PR_CAPBSET_DROP", number)?;
    }
}
Ok(())
