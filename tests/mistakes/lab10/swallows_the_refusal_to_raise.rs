//! "Whatever can be raised is raised."
//!
//! task: 4
//! test: task4_one_that_is_not_inheritable_is_refused
//! test: task4_one_that_is_not_permitted_is_refused
//! says: the refusal of raise_ambient was swallowed

let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
for number in caps.numbers() {
    let _ = ambient(libc::PR_CAP_AMBIENT_RAISE, number);
}
Ok(())
