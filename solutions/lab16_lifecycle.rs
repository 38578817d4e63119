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
    // task 1: fs::write to another name in the same directory, then fs::rename to path
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // In the same directory: a rename does not cross file systems.
    let new = path.with_file_name(format!(".{name}.new"));
    fs::write(&new, content).during("write", new.display())?;
    fs::rename(&new, path).during("rename", path.display())
    // end task
}

/// Where a container is in its life. Nobody writes it down: a runtime that is killed would leave a wrong word. What counts is what
/// the kernel says of its first process and of the locks that die with their holders.
///
/// Source: OCI runtime-spec, runtime, "State".
#[must_use]
pub fn status(container: &Container) -> Status {
    // task 2: by state.is_alive(), is_held() (a command works on it), is_frozen(), is_at_the_door(), and state.oci's `made`; state.pid is 0 before there is a process
    // nothing: { let _ = container; Status::Stopped }
    let is_made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
    match container.state.is_alive() {
        // Not yet there, or never to be: whoever made it was killed.
        false if container.state.pid == 0 && container.is_held() => Status::Creating,
        false => Status::Stopped,
        true if container.is_frozen() => Status::Paused,
        true if !container.is_at_the_door() => Status::Running,
        // Whoever made it was killed when it had come to the door: it can be started, and deleted.
        true if is_made || !container.is_held() => Status::Created,
        true => Status::Creating,
    }
    // end task
}

/// Inside, the last step but one before the command: tells whoever makes the container that all is made, waits for whoever starts
/// it, tells them from then on what goes wrong, and calls the hooks of the container's own namespaces.
///
/// Source: OCI runtime-spec, config, "startContainer Hooks"; accept(2).
///
/// # Errors
/// What goes wrong with the wait or with a hook.
pub fn wait_for_start(at: &mut AtTheDoor<'_>) -> Result<()> {
    // task 3: at.tell_the_maker(), accept4(2) on at.socket() with SOCK_CLOEXEC, at.answer() with what it returns, at.run_hooks()
    at.tell_the_maker()?;
    // Every other descriptor has that flag by now. Without it, the command would have the line to `start`, which would wait for as
    // long as a container likes to hold it open.
    let line = accept4(at.socket().as_raw_fd(), SockFlag::SOCK_CLOEXEC).during("accept", "the start")?;
    // SAFETY: a new descriptor, and nobody else's.
    at.answer(unsafe { OwnedFd::from_raw_fd(line) });
    at.run_hooks()
    // end task
}

/// Makes the container: all of it is there on return, but the command that it is for.
///
/// To be called by a process with one thread. Source: OCI runtime-spec, runtime, "Create", and config, "Prestart" and "createRuntime
/// Hooks".
///
/// # Errors
/// EEXIST when the name is taken; what kept it from being made. Nothing is left of it then.
pub fn create(order: &Order, states: &StateDir) -> Result<Made> {
    // task 4: name, configuration, cgroup, Materials, fork; its state; limit(), own PIDs; the steps to the door, with two kinds of hooks between; made; PID file; keep all
    // nothing: { let _ = (order, states); Ok(Made { pid: nix::unistd::Pid::this(), window: None, signals: None }) }
    let (id, hooks) = (&order.plan.id, &order.plan.hooks);
    // The name first: whoever comes second with it changes nothing.
    let claim = states.claim(id)?;
    // Before anything else is made: whatever happens from here on, `delete` knows what there is.
    write_config(&claim, &order.config)?;
    let held = cgroup::make(&order.plan, &claim)?;
    let mut first = Materials::gather(order, &claim, held.as_ref().map(Held::group))?.fork(&claim)?;
    // Before it takes a step: a process that nobody knows of is a process that nobody ends.
    let mut state = order.state(first.pid());
    write_whole(&claim.directory().join("state.json"), &state.to_json()?)?;
    first.limit()?;
    // These hooks are the runtime's: they see the host's processes.
    first.back_to_own_pids()?;
    first.lead_to_the_door(|| {
        let told = Told { oci: &order.oci, id, status: Status::Creating, pid: state.pid };
        hooks::run(&hooks.prestart, "prestart", told)?;
        hooks::run(&hooks.create_runtime, "createRuntime", told)
    })?;
    state.oci.iter_mut().for_each(|oci| oci.made = true);
    write_whole(&claim.directory().join("state.json"), &state.to_json()?)?;
    // Whoever waits for this file starts the container as soon as it is there.
    if let Some(path) = &order.pid_file {
        write_whole(path, state.pid.to_string().as_bytes())?;
    }
    // Until here, whatever fails takes all of it back.
    let made = first.let_go();
    held.into_iter().for_each(Held::keep);
    claim.keep();
    Ok(made)
    // end task
}

/// Starts the command of a container that is made. What goes wrong afterwards and changes nothing is returned.
///
/// Source: OCI runtime-spec, runtime, "Start", and config, "Poststart Hooks".
///
/// # Errors
/// ENOENT when it is not there; that it does not wait to be started; what its command fails with; a poststart hook that fails, with
/// which the container is ended.
pub fn start(id: &str, states: &StateDir) -> Result<Vec<Error>> {
    // task 5: states.hold(id), require() Created, door::knock(), then the poststart hooks of the container's own hooks(); where Oci::only_warns(), all of them (run_all), else run(), and a failure ends it
    // The lock first, then the look: a `create` that is not done holds it.
    let (container, _hold) = states.hold(id)?;
    require(&container, "start", &[Status::Created])?;
    door::knock(container.directory())?;
    // Of the configuration that it was made of: the bundle's may be another by now.
    let hooks = container.hooks()?;
    let oci = container.state.oci.clone().unwrap_or_default();
    let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
    if oci.only_warns() {
        return Ok(hooks::run_all(&hooks.poststart, "poststart", told));
    }
    if let Err(error) = hooks::run(&hooks.poststart, "poststart", told) {
        pidfd::end(&container)?;
        return Err(error);
    }
    Ok(Vec::new())
    // end task
}

/// Sends `signal` to the first process of a container, made or running; to `all` of its processes, if they are asked for.
///
/// Source: OCI runtime-spec, runtime, "Kill".
///
/// # Errors
/// ENOENT when it is not there; that its first process has ended.
pub fn kill(id: &str, signal: i32, all: bool, states: &StateDir) -> Result<()> {
    // task 6: states.container(id), without waiting for others; all: pidfd::signal_all(), of a stopped one too; else refuse() unless its first process is alive; pidfd::signal()
    // Not held: a signal is for a container with which another command is busy, too.
    let container = states.container(id)?;
    // Of a stopped one too: what a first process without a PID namespace has left.
    let has_others = all && status(&container) == Status::Stopped;
    if !container.state.is_alive() && !has_others {
        return refuse(&container, "kill", "container not running");
    }
    if all { pidfd::signal_all(&container, signal) } else { pidfd::signal(&container.state, signal) }
    // end task
}

/// Removes what is left of a container that has ended; with `force` one that has not, or is half-made, too. What goes wrong with hooks
/// that are called afterwards is returned, and changes nothing.
///
/// Source: OCI runtime-spec, runtime, "Delete", and config, "Poststop Hooks".
///
/// # Errors
/// ENOENT when it is not there, and that it runs still: not with `force`. What cannot be removed.
pub fn delete(id: &str, force: bool, states: &StateDir) -> Result<Vec<Error>> {
    // task 7: states.hold(id), with force ENOENT is no error; without, require() Stopped; pidfd::end(); read the hooks; container.remove() with cpu::remove; all poststop hooks
    let (container, hold) = match states.hold(id) {
        Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
        found => found?,
    };
    if !force {
        require(&container, "delete", &[Status::Stopped])?;
    }
    pidfd::end(&container)?;
    // Before they go with the rest. One that is half-made may have none.
    let hooks = container.hooks().unwrap_or_default();
    let oci = container.state.oci.clone().unwrap_or_default();
    container.remove(hold, states, cpu::remove)?;
    let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
    Ok(hooks::run_all(&hooks.poststop, "poststop", told))
    // end task
}
