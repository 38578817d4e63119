//! The stories: what happens from `boxwright run` to the exit code, told on the labs' verbs.
//!
//! [`init`] is the child and [`run`] the parent. The rest is what they lean on and no lab teaches.

mod born;
pub mod btrfs;
pub mod bundle;
pub mod cgroup;
mod console;
mod copy_up;
mod devices;
pub mod door;
pub mod enter;
mod exec;
pub mod flatten;
pub mod found;
mod furnish;
mod go_between;
mod guest_terminal;
pub mod handshake;
mod hold;
mod home;
pub mod hooks;
mod host_rootfs;
pub mod image;
mod image_files;
pub mod init;
mod joined;
pub mod layer;
pub mod making;
mod mount_attr;
mod network;
pub mod own_program;
pub mod pidfd;
mod plain;
mod proc;
mod propagation;
mod read_only;
pub mod run;
mod security;
pub mod settings;
pub mod signals;
mod terminal;
mod trees;
pub mod update;
pub mod usage;
pub mod userns;

pub use terminal::callers_size;
