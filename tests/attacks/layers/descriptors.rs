//! What the caller has open is closed when the command starts.
//!
//! file: solutions/lab05_root.rs
//! task: 6
