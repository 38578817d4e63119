//! Paths that cannot be written, though the user's id may.
//!
//! file: solutions/lab06_volume.rs
//! task: 3
