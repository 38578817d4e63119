//! "One int, 32 flags."
//!
//! task: 4
//! test: task4_what_is_asked_for_and_no_other
//! says: what stands above 31 was not raised

let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
for number in (0..32).filter(|number| caps.has(*number)) {
    ambient(libc::PR_CAP_AMBIENT_RAISE, number).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
}
Ok(())
