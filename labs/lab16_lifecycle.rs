//! Lab 16: the runtime. Five commands, each a process that ends at once, and a container that lives on between them.
//!
//! Every step is there by now; what is left is their order. A container is made in one command and started in another, and between
//! any two lines of this file the runtime may be killed, another command may come, and whoever is inside may be hostile.
//!
//! ```text
//!            create              start             (its end)        delete
//! (nothing) --------> created --------> running ------------> stopped -------> (nothing)
//!                        |                 ^ |
//!                        |          resume | | pause
//!                        | kill            | v
//!                        +--> stopped     paused
//! ```
//!
//! Source: OCI runtime-spec, runtime, "Lifecycle" and "Operations".

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "accept4 returns a bare descriptor")]

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use model::{Container, During, Error, Result, StateDir, Status, write_config};
use nix::errno::Errno;
use nix::sys::socket::{SockFlag, accept4};

use super::cpu;
use crate::runtime::cgroup::{self, Held};
use crate::runtime::door::{self, AtTheDoor};
use crate::runtime::found::{refuse, require};
use crate::runtime::hooks::{self, Told};
use crate::runtime::making::{Made, Materials, Order};
use crate::runtime::pidfd;

/// Writes `content` to `path`, in place of what is there. Whoever reads the file, at whatever moment, reads all of the old content or all
/// of the new.
///
/// Source: rename(2): "if newpath already exists, it will be atomically replaced".
///
/// # Errors
/// What writing or renaming fails with.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    todo!("lab 16, task 1: fs::write to another name in the same directory, then fs::rename to path")
}

/// Where a container is in its life. Nobody writes it down: a runtime that is killed would leave a wrong word. What counts is what
/// the kernel says of its first process and of the locks that die with their holders.
///
/// Source: OCI runtime-spec, runtime, "State".
#[must_use]
pub fn status(container: &Container) -> Status {
    todo!("lab 16, task 2: by state.is_alive(), is_held() (a command works on it), is_frozen(), is_at_the_door(), and state.oci's `made`; state.pid is 0 before there is a process")
}

/// Inside, the last step but one before the command: tells whoever makes the container that all is made, waits for whoever starts
/// it, tells them from then on what goes wrong, and calls the hooks of the container's own namespaces.
///
/// Source: OCI runtime-spec, config, "startContainer Hooks"; accept(2).
///
/// # Errors
/// What goes wrong with the wait or with a hook.
pub fn wait_for_start(at: &mut AtTheDoor<'_>) -> Result<()> {
    todo!("lab 16, task 3: at.tell_the_maker(), accept4(2) on at.socket() with SOCK_CLOEXEC, at.answer() with what it returns, at.run_hooks()")
}

/// Makes the container: all of it is there on return, but the command that it is for.
///
/// To be called by a process with one thread. Source: OCI runtime-spec, runtime, "Create", and config, "Prestart" and "createRuntime
/// Hooks".
///
/// # Errors
/// EEXIST when the name is taken; what kept it from being made. Nothing is left of it then.
pub fn create(order: &Order, states: &StateDir) -> Result<Made> {
    todo!("lab 16, task 4: name, configuration, cgroup, Materials, fork; its state; limit(), own PIDs; the steps to the door, with two kinds of hooks between; made; PID file; keep all")
}

/// Starts the command of a container that is made. What goes wrong afterwards and changes nothing is returned.
///
/// Source: OCI runtime-spec, runtime, "Start", and config, "Poststart Hooks".
///
/// # Errors
/// ENOENT when it is not there; that it does not wait to be started; what its command fails with; a poststart hook that fails, with
/// which the container is ended.
pub fn start(id: &str, states: &StateDir) -> Result<Vec<Error>> {
    todo!("lab 16, task 5: states.hold(id), require() Created, door::knock(), then the poststart hooks of the container's own hooks(); where Oci::only_warns(), all of them (run_all), else run(), and a failure ends it")
}

/// Sends `signal` to the first process of a container, made or running; to `all` of its processes, if they are asked for.
///
/// Source: OCI runtime-spec, runtime, "Kill".
///
/// # Errors
/// ENOENT when it is not there; that its first process has ended.
pub fn kill(id: &str, signal: i32, all: bool, states: &StateDir) -> Result<()> {
    todo!("lab 16, task 6: states.container(id), without waiting for others; all: pidfd::signal_all(), of a stopped one too; else refuse() unless its first process is alive; pidfd::signal()")
}

/// Removes what is left of a container that has ended; with `force` one that has not, or is half-made, too. What goes wrong with hooks
/// that are called afterwards is returned, and changes nothing.
///
/// Source: OCI runtime-spec, runtime, "Delete", and config, "Poststop Hooks".
///
/// # Errors
/// ENOENT when it is not there, and that it runs still: not with `force`. What cannot be removed.
pub fn delete(id: &str, force: bool, states: &StateDir) -> Result<Vec<Error>> {
    todo!("lab 16, task 7: states.hold(id), with force ENOENT is no error; without, require() Stopped; pidfd::end(); read the hooks; container.remove() with cpu::remove; all poststop hooks")
}
