//! "The last one fails anyway."
//!
//! task: 2
//! test: task2_without_cap_setpcap_it_is_refused
//! says: the refusal of drop_bounding was swallowed

for number in (0..u64::BITS).filter(|number| !keep.has(*number)) {
    let _ = prctl(libc::PR_CAPBSET_DROP, number, 0);
}
Ok(())
