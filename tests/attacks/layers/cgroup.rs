//! A control group, in which all that is left of a container is ended.
//!
//! file: solutions/lab07_cpu.rs
//! task: 7
