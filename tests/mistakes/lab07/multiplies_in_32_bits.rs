//! "262144 fits into an i32, and so does 10000."
//!
//! task: 1
//! test: task1_a_straight_line_goes_from_end_to_end
//! says: more than 31 bits

let above = (shares as i32 - 2).wrapping_mul(9_999) / 262_142;
(1 + above) as u64
