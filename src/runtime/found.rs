//! A container that is there already, as a command finds it: in a state in which it can be told to do this, or refused.

use std::io;

use model::{Container, During, Plan, Result, StateDir, Status};

use super::enter::{self, Guest};
use super::guest_terminal;
use super::making::{Looker, Made, check_terminal};
use super::terminal::Returns;
use crate::steps::{lifecycle, pid};

/// The container `id`, if it has a first process that lives.
///
/// # Errors
/// [`model::Error::Os`] when it is not there, or has ended.
pub fn alive(id: &str, what: &'static str, states: &StateDir) -> Result<Container> {
    let container = states.container(id)?;
    require(&container, what, &[Status::Created, Status::Running, Status::Paused]).map(|()| container)
}

/// The container `id`, if it runs: for a command that stops it where it is.
///
/// # Errors
/// [`model::Error::Os`] when it is not there, or does not run.
pub fn running(id: &str, states: &StateDir) -> Result<Container> {
    let container = states.container(id)?;
    require(&container, "pause", &[Status::Created, Status::Running]).map(|()| container)
}

/// The container `id`, if it is paused.
///
/// # Errors
/// [`model::Error::Os`] when it is not there, or not paused.
pub fn paused(id: &str, states: &StateDir) -> Result<Container> {
    let container = states.container(id)?;
    require(&container, "resume", &[Status::Paused]).map(|()| container)
}

/// Refuses the command `what` for a container in another state than these.
///
/// # Errors
/// [`model::Error::Os`], without an errno, in words.
pub fn require(container: &Container, what: &'static str, right: &[Status]) -> Result<()> {
    let status = lifecycle::status(container);
    if right.contains(&status) {
        return Ok(());
    }
    let words: Vec<String> = right.iter().map(ToString::to_string).collect();
    refuse(container, what, &format!("it is {status}, not {}", words.join(" or ")))
}

/// Refuses the command `what`, and says why.
///
/// # Errors
/// Always: [`model::Error::Os`], without an errno.
pub fn refuse(container: &Container, what: &'static str, why: &str) -> Result<()> {
    Err(io::Error::other(why.to_owned())).during(what, &container.state.id)
}

/// Starts another process in a container. `is_privileged` is whether it may be given more than the container's first process can get;
/// `outlives` whether it lives on when the caller has ended.
///
/// # Errors
/// What kept its command from being started.
pub fn exec(container: &Container, plan: &Plan, is_privileged: bool, looker: &Looker, outlives: bool) -> Result<Made> {
    check_terminal(plan, looker, !outlives)?;
    let signals = (!outlives).then(pid::watch_signals).transpose()?;
    let socket = if let Looker::Socket(path) = looker { Some(path.as_path()) } else { None };
    let (window, terminal) =
        plan.terminal.then(|| guest_terminal::prepare(plan, Returns::Outside, socket)).transpose()?.unzip();
    let guest = Guest { state: &container.state, plan, privileged: is_privileged, leashed: !outlives };
    let (pid, line) = enter::start(&guest, terminal)?;
    match line.go(pid, None, || ())? {
        Some(message) => Err(message.into_error()),
        None => Ok(Made { pid, window: window.flatten(), signals }),
    }
}
