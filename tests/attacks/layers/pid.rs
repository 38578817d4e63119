//! PIDs of its own, and with them that all ends with PID 1.
//!
//! file: solutions/lab03_pid.rs
//! task: 1

// SAFETY: the callers have one thread, so that no lock can be held by a thread that the child lacks.
unsafe { fork() }.during("fork", "a child in the same namespace")
