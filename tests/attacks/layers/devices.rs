//! Which devices may be opened. No lab's verb: the runtime's own.
//!
//! file: src/runtime/devices.rs
//! in place of: if rules.is_empty() {

if true {
