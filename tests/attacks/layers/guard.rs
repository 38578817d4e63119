//! Where no mount is made. No lab's verb: the runtime's own.
//!
//! file: src/runtime/furnish/guard.rs
//! in place of: let is = inside(root, point)?;

let is = if cfg!(all()) { return Ok(()) } else { inside(root, point)? };
