//! The stories: what happens from `boxwright run` to the exit code, told on the labs' verbs.
//!
//! [`init`] is the child and [`run`] the parent. The rest is what they lean on and no lab teaches.

pub mod btrfs;
pub mod cgroup;
mod copy_up;
mod devices;
mod exec;
mod furnish;
mod handshake;
mod host_rootfs;
pub mod init;
pub mod layer;
mod mount_attr;
mod plain;
mod read_only;
pub mod run;
mod security;
mod terminal;
mod trees;
pub mod usage;
pub mod userns;

pub use terminal::callers_size;
