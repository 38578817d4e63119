//! A host name of its own.
//!
//! file: solutions/lab01_uts.rs
//! task: 4
