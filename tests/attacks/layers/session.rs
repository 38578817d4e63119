//! A session of its own, so that the caller's terminal is not the container's. It is CAP_SYS_ADMIN that gets by it.
//!
//! file: src/runtime/terminal.rs
//! in place of: setsid().during("setsid", "the container")?;
//! leans on: caps
