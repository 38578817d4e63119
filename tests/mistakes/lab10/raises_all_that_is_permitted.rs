//! "A program should keep what its parent has."
//!
//! task: 4
//! test: task4_what_is_asked_for_and_no_other
//! says: something else was raised than was asked for

let own = read(&std::fs::read_to_string("/proc/thread-self/status").during("read", "status")?)?;
let caps = own.permitted.and(own.inheritable);
let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
for number in caps.numbers() {
    ambient(libc::PR_CAP_AMBIENT_RAISE, number).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
}
Ok(())
