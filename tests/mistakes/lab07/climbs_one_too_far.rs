//! "From 1 to 10000 are 10000 steps."
//!
//! task: 1
//! test: task1_the_ends_meet
//! says: that line climbs by 10000

1 + shares.saturating_sub(2) * 10_000 / 262_142
