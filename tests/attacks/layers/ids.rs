//! A user namespace: whoever is root inside is somebody else outside.
//!
//! file: solutions/lab09_userns.rs
//! task: 6
