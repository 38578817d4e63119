//! Most of root's power taken away.
//!
//! file: solutions/lab10_caps.rs
//! task: 5
