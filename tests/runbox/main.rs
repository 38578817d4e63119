//! The OCI runtime, held against the text of the OCI runtime specification: each test is named after the clause that it checks.
//!
//! Every test has a machine of its own ([`Shield`]), which tells when something is left of a container that is gone.

mod breakouts;
mod bundle;
mod descriptors;
mod flags;
mod guests;
mod hooks;
mod injuries;
mod library;
mod lifecycle;
mod many;
mod own_program;
