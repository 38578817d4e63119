//! "What it does not have, it cannot give."
//!
//! task: 2
//! test: task2_what_is_kept_stays_and_the_rest_goes
//! says: the sets of the thread were made smaller, and the bounding set, which programs get by, is what it was

let own = read(&std::fs::read_to_string("/proc/thread-self/status").during("read", "status")?)?;
set(&CapSets { permitted: own.permitted.and(keep), effective: own.effective.and(keep), ..own })
