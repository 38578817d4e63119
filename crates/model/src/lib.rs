//! The nouns of boxwright. Every floor above speaks in these, and none of them knows who does the work.
//!
//! In reading order: [`Error`] and [`During`] (what every function returns), [`NsKind`] and its like (what the
//! labs look at), [`Cgroup`] (what they hold), [`Plan`] (what a container is to be), [`Message`] (what the child tells the parent),
//! [`StateDir`] (what runs), [`VolumeDir`] and [`Layers`] (what stays), [`exit`] (what the caller learns), [`borrowed_userns`] (until lab 09).

#[cfg(not(target_os = "linux"))]
compile_error!(
    "boxwright builds containers out of the Linux kernel: book/src/setup.md shows how to get one on this system"
);

// Elsewhere the line above is to be the only complaint.
#[cfg(target_os = "linux")]
pub mod borrowed_userns;
pub mod caps;
pub mod cgroup;
pub mod config;
mod container;
mod error;
pub mod exit;
pub mod ids;
pub mod image;
mod kept;
pub mod layer;
mod message;
mod mount;
mod namespace;
pub mod on_disk;
pub mod plan;
mod process;
mod queue;
pub mod size;
mod state;
pub mod tree;
pub mod volumes;

pub use cgroup::Cgroup;
pub use config::Config;
pub use container::{Container, Oci, Status, write_config};
pub use error::{During, Error, Result};
pub use kept::{Kept, Layers};
pub use message::Message;
pub use mount::{Node, Propagation};
pub use namespace::{Namespace, NsId, NsKind};
pub use plan::Plan;
pub use process::{Powers, Process};
pub use queue::Queue;
pub use state::{Claim, State, StateDir, started_ticks};
pub use volumes::VolumeDir;
