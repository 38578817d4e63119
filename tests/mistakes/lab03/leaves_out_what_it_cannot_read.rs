//! "What is no number is left out."
//!
//! task: 7
//! test: task7_a_text_without_the_line_is_refused
//! says: an empty or a shorter list is a wrong answer

let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
Ok(line.split_whitespace().filter_map(|pid| pid.parse().map(Pid::from_raw).ok()).collect())
