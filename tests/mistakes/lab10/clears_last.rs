//! "Clean up behind you."
//!
//! task: 4
//! test: task4_what_was_there_goes
//! says: all was raised and cleared again: clearing comes first

let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
for number in caps.numbers() {
    ambient(libc::PR_CAP_AMBIENT_RAISE, number).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
}
ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
Ok(())
