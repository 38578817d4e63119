//! "Small numbers first, so that nothing overflows."
//!
//! task: 1
//! test: task1_a_straight_line_goes_from_end_to_end
//! says: the division came first

1 + shares.saturating_sub(2) / 262_142 * 9_999
