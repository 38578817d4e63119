//! A filter for system calls.
//!
//! file: solutions/lab11_seccomp.rs
//! task: 6
