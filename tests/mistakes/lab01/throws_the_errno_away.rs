//! "If it fails I cannot help it."
//!
//! task: 2
//! test: task2_without_the_capability_the_refusal_is_reported
//! test: task2_a_name_of_64_bytes_fits_and_of_65_does_not
//! says: the refusal was thrown away: hand the result on

let _ = sethostname(name);
Ok(())
