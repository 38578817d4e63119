//! Around the labs: what `cargo lab` and `cargo author` are made of. Nothing here links a lab, so that it
//! helps when a lab does not compile.
//!
//! - [`course`]: which labs there are, and which of their files lies where;
//! - [`exercise`]: the marked regions of a solution;
//! - [`cgroups`]: a shield's own cgroups, where somebody at a shell finds them;
//! - [`libtest`]: builds and runs a lab's tests, and reads what they said;
//! - [`process`]: runs a program against a time limit;
//! - `author`: the commands of `cargo author` (feature `author`);
//! - [`lab`]: the commands of `cargo lab`.

#[cfg(feature = "author")]
pub mod author;
pub mod cgroups;
pub mod course;
pub mod exercise;
pub mod lab;
pub mod libtest;
pub mod process;

/// A command line that cannot be meant: one helpful line, and exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);
