//! "A rule of three."
//!
//! task: 1
//! test: task1_the_ends_meet
//! says: that line goes through 0 and 0

shares * 10_000 / 262_144
