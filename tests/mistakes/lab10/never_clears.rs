//! "Raise, the name says."
//!
//! task: 4
//! test: task4_what_was_there_goes
//! says: what was ambient before still is: PR_CAP_AMBIENT_CLEAR_ALL takes it away

let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
for number in caps.numbers() {
    ambient(libc::PR_CAP_AMBIENT_RAISE, number).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
}
Ok(())
