//! Lab 16 as somebody solved it who had seen the chapter, the starter, and the files beside it, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "accept4 returns a bare descriptor")]

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use model::plan::hooks::Hooks;
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

pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, content).during("write", new.display())?;
    fs::rename(&new, path).during("rename", path.display()).inspect_err(|_| drop(fs::remove_file(&new)))
}

#[must_use]
pub fn status(container: &Container) -> Status {
    let state = &container.state;
    if !state.is_alive() {
        // Without a process: somebody is about to fork one, or was killed before.
        return if state.pid == 0 && container.is_held() { Status::Creating } else { Status::Stopped };
    }
    if container.is_frozen() {
        return Status::Paused;
    }
    if !container.is_at_the_door() {
        return Status::Running;
    }
    let is_made = state.oci.as_ref().is_some_and(|oci| oci.made);
    // Not noted, and nobody there who could still note it: it is as made as it will ever be.
    if is_made || !container.is_held() { Status::Created } else { Status::Creating }
}

pub fn wait_for_start(at: &mut AtTheDoor<'_>) -> Result<()> {
    at.tell_the_maker()?;
    let line = accept4(at.socket().as_raw_fd(), SockFlag::SOCK_CLOEXEC).during("accept", "who starts the container")?;
    // SAFETY: accept4 returned it a moment ago, and nobody else knows of it.
    at.answer(unsafe { OwnedFd::from_raw_fd(line) });
    at.run_hooks()
}

pub fn create(order: &Order, states: &StateDir) -> Result<Made> {
    let id = &order.plan.id;
    // What is dropped on an error goes in the order process, group, name.
    let claim = states.claim(id)?;
    write_config(&claim, &order.config)?;
    let held = cgroup::make(&order.plan, &claim)?;
    let group = held.as_ref().map(Held::group);
    let mut first = Materials::gather(order, &claim, group)?.fork(&claim)?;

    let path = claim.directory().join("state.json");
    let mut state = order.state(first.pid());
    write_whole(&path, &state.to_json()?)?;

    first.limit()?;
    first.back_to_own_pids()?;
    let told = Told { oci: &order.oci, id, status: Status::Creating, pid: state.pid };
    let hooks = &order.plan.hooks;
    first.lead_to_the_door(|| {
        hooks::run(&hooks.prestart, "prestart", told)?;
        hooks::run(&hooks.create_runtime, "createRuntime", told)
    })?;

    if let Some(oci) = &mut state.oci {
        oci.made = true;
    }
    write_whole(&path, &state.to_json()?)?;
    if let Some(pid_file) = &order.pid_file {
        write_whole(pid_file, state.pid.to_string().as_bytes())?;
    }
    let made = first.let_go();
    if let Some(held) = held {
        held.keep();
    }
    claim.keep();
    Ok(made)
}

pub fn start(id: &str, states: &StateDir) -> Result<Vec<Error>> {
    let (container, _hold) = states.hold(id)?;
    require(&container, "start", &[Status::Created])?;
    // Before anything has happened: a configuration that cannot be read starts nothing.
    let hooks = Hooks::from_spec(&container.config()?)?.poststart;
    door::knock(container.directory())?;
    let oci = container.state.oci.clone().unwrap_or_default();
    let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
    if oci.only_warns() {
        return Ok(hooks::run_all(&hooks, "poststart", told));
    }
    if let Err(error) = hooks::run(&hooks, "poststart", told) {
        pidfd::end(&container)?;
        return Err(error);
    }
    Ok(Vec::new())
}

pub fn kill(id: &str, signal: i32, all: bool, states: &StateDir) -> Result<()> {
    let container = states.container(id)?;
    let is_over = all && status(&container) == Status::Stopped;
    if !container.state.is_alive() && !is_over {
        return refuse(&container, "kill", "container not running");
    }
    if all { pidfd::signal_all(&container, signal) } else { pidfd::signal(&container.state, signal) }
}

pub fn delete(id: &str, force: bool, states: &StateDir) -> Result<Vec<Error>> {
    let (container, hold) = match states.hold(id) {
        Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
        held => held?,
    };
    if !force {
        require(&container, "delete", &[Status::Stopped])?;
    }
    pidfd::end(&container)?;
    // While they are still written somewhere. One that is half-made has none.
    let hooks = container.config().and_then(|config| Hooks::from_spec(&config)).unwrap_or_default();
    let oci = container.state.oci.clone().unwrap_or_default();
    container.remove(hold, states, cpu::remove)?;
    let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
    Ok(hooks::run_all(&hooks.poststop, "poststop", told))
}
