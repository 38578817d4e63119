//! boxwright: a container runtime, on the verbs that you write.
//!
//! In reading order, from the top floor down; every import points down:
//!
//! 1. `src/bin/boxwright/`: the command line. Flags become an OCI spec, the spec becomes a [`model::Plan`].
//! 2. [`runtime`]: the stories. [`runtime::run`] is the parent's, [`runtime::init`] the child's: read that one
//!    first, it is the container.
//! 3. [`steps`]: the verbs, one module a lab: `labs/`, what you write, or `solutions/`.
//! 4. `crates/model`: the nouns that all of them speak in.
//!
//! Another program begins with [`container`].

#[cfg(not(target_os = "linux"))]
compile_error!(
    "boxwright builds containers out of the Linux kernel: book/src/setup.md shows how to get one on this system"
);

pub mod container;
pub mod runtime;
pub mod steps;

pub use model;
