//! "1024 is the default there, 100 is it here."
//!
//! task: 1
//! test: task1_the_ends_meet
//! test: task1_a_straight_line_goes_from_end_to_end
//! says: maps the default of v1 on the default of v2

(shares * 100 / 1024).max(1)
