//! "A capability that nobody can get back is no use."
//!
//! task: 2
//! test: task2_what_is_kept_stays_and_the_rest_goes
//! says: more was changed than the bounding set

for number in (0..u64::BITS).filter(|number| !keep.has(*number)) {
    match prctl(libc::PR_CAPBSET_DROP, number, 0) {
        Err(Errno::EINVAL) => break,
        result => result.during("prctl PR_CAPBSET_DROP", number)?,
    }
}
let own = read(&std::fs::read_to_string("/proc/thread-self/status").during("read", "status")?)?;
set(&CapSets { permitted: own.permitted.and(keep), effective: own.effective.and(keep), ..own })
