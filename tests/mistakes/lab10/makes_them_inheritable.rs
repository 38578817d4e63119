//! "Inheritable first, then it works."
//!
//! task: 4
//! test: task4_one_that_is_not_inheritable_is_refused
//! says: it was made inheritable first: who asks for something ambient is told what is missing

let own = read(&std::fs::read_to_string("/proc/thread-self/status").during("read", "status")?)?;
set(&CapSets { inheritable: own.inheritable.or(caps), ..own })?;
let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
for number in caps.numbers() {
    ambient(libc::PR_CAP_AMBIENT_RAISE, number).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
}
Ok(())
