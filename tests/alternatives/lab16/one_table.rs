//! Lab 16 by a table of who is in which state, and a guard that takes back what is not done; the standard library's sockets and files.
//!
//! alternative: whole file

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use model::plan::hooks::{Hook, Hooks};
use model::{Container, During, Error, NsKind, Oci, Plan, Result, StateDir, Status, write_config};
use nix::errno::Errno;

use super::cpu;
use crate::runtime::cgroup::{self, Held};
use crate::runtime::door::{self, AtTheDoor};
use crate::runtime::found::{refuse, require};
use crate::runtime::hooks::{self, Told};
use crate::runtime::making::{Made, Materials, Order};
use crate::runtime::pidfd;

/// A file that is removed unless it got its own name.
struct New(Option<PathBuf>);

impl Drop for New {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = fs::remove_file(path);
        }
    }
}

/// See the solution.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}~", nix::unistd::gettid()));
    let mut new = New(Some(path.with_file_name(name)));
    if let Some(there) = &new.0 {
        let mut file = File::create(there).during("create", there.display())?;
        file.write_all(content).during("write", there.display())?;
        fs::rename(there, path).during("rename", path.display())?;
    }
    new.0 = None;
    Ok(())
}

/// See the solution.
#[must_use]
pub fn status(container: &Container) -> Status {
    let made = container.state.oci.as_ref().is_some_and(|oci| oci.made);
    let there = (container.state.is_alive(), container.state.pid != 0);
    match (there, container.is_frozen(), container.is_at_the_door(), container.is_held(), made) {
        ((false, false), _, _, true, _) | ((true, _), false, true, true, false) => Status::Creating,
        ((false, _), ..) => Status::Stopped,
        (_, true, ..) => Status::Paused,
        (_, _, true, ..) => Status::Created,
        (_, _, false, ..) => Status::Running,
    }
}

/// See the solution.
pub fn wait_for_start(at: &mut AtTheDoor<'_>) -> Result<()> {
    // Another descriptor of the one socket: close-on-exec, as is the line that accept returns.
    let socket: OwnedFd = at.socket().try_clone_to_owned().during("dup", "the door")?;
    at.tell_the_maker()?;
    let (line, _) = UnixListener::from(socket).accept().during("accept", "the start")?;
    at.answer(line.into());
    at.run_hooks()
}

/// See the solution.
pub fn create(order: &Order, states: &StateDir) -> Result<Made> {
    let plan = &order.plan;
    let claim = states.claim(&plan.id)?;
    write_config(&claim, &order.config)?;
    let held = cgroup::make(plan, &claim)?;
    let mut first = Materials::gather(order, &claim, held.as_ref().map(Held::group))?.fork(&claim)?;
    let mut state = order.state(first.pid());
    claim.write(&state)?;
    first.limit()?;
    first.lead_to_the_door(|| {
        // Nobody is forked in between.
        if forked_into_others(plan) && plan.hooks != Hooks::default() {
            hooks::back_to_own_pids()?;
        }
        let call = |hooks: &[Hook], kind| {
            hooks::run(hooks, kind, Told { oci: &order.oci, id: &plan.id, status: Status::Creating, pid: state.pid })
        };
        call(&plan.hooks.prestart, "prestart").and_then(|()| call(&plan.hooks.create_runtime, "createRuntime"))
    })?;
    if let Some(oci) = state.oci.as_mut() {
        oci.made = true;
    }
    claim.write(&state)?;
    order.pid_file.iter().try_for_each(|path| write_whole(path, first.pid().to_string().as_bytes()))?;
    let made = first.let_go();
    claim.keep();
    held.into_iter().for_each(Held::keep);
    Ok(made)
}

/// Whether this process's next child would be born elsewhere.
fn forked_into_others(plan: &Plan) -> bool {
    let here = |file: &str| fs::read_link(format!("/proc/self/ns/{file}")).ok();
    (plan.new_pid || plan.joins(NsKind::Pid)) && here("pid") != here("pid_for_children")
}

/// See the solution.
pub fn start(id: &str, states: &StateDir) -> Result<Vec<Error>> {
    let (container, _hold) = states.hold(id)?;
    require(&container, "start", &[Status::Created])?;
    door::knock(container.directory())?;
    let oci = told_of(&container);
    let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
    let hooks = Hooks::from_spec(&container.config()?)?.poststart;
    match oci.only_warns() {
        true => Ok(hooks::run_all(&hooks, "poststart", told)),
        false => hooks::run(&hooks, "poststart", told)
            .map(|()| Vec::new())
            .or_else(|error| pidfd::end(&container).and(Err(error))),
    }
}

fn told_of(container: &Container) -> Oci {
    container.state.oci.clone().unwrap_or_default()
}

/// See the solution.
pub fn kill(id: &str, signal: i32, all: bool, states: &StateDir) -> Result<()> {
    let container = states.container(id)?;
    match (status(&container), all) {
        (Status::Creating, _) if container.state.pid == 0 => refuse(&container, "kill", "container not running"),
        (Status::Stopped, false) => refuse(&container, "kill", "container not running"),
        (_, false) => pidfd::signal(&container.state, signal),
        (_, true) => pidfd::signal_all(&container, signal),
    }
}

/// See the solution.
pub fn delete(id: &str, force: bool, states: &StateDir) -> Result<Vec<Error>> {
    let found = states.hold(id);
    if force && found.as_ref().is_err_and(|error| error.errno() == Some(Errno::ENOENT)) {
        return Ok(Vec::new());
    }
    let (container, hold) = found?;
    let right: &[_] = match force {
        true => &[Status::Creating, Status::Created, Status::Running, Status::Paused, Status::Stopped],
        false => &[Status::Stopped],
    };
    require(&container, "delete", right)?;
    let oci = told_of(&container);
    let hooks = container.config().and_then(|config| Hooks::from_spec(&config));
    pidfd::end(&container)?;
    container.remove(hold, states, |group| cpu::remove(group))?;
    let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
    Ok(hooks.map(|hooks| hooks::run_all(&hooks.poststop, "poststop", told)).unwrap_or_default())
}
