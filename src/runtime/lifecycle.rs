//! The life of a container as an OCI runtime tells it: create, start, state, kill, delete, each a process of its own.
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
//! Source: OCI runtime-spec, runtime, "Lifecycle".

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use model::plan::hooks::Hooks;
use model::{Claim, Container, During, Error, Oci, Plan, Result, State, StateDir, Status, ids, volumes};
use nix::errno::Errno;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use oci_spec::runtime::Spec;

use super::door::{self, Door};
use super::enter::{self, Guest};
use super::handshake;
use super::hooks::{self, Told};
use super::init::{self, Child};
use super::joined::Joined;
use super::run::{Leash, binds, goes_there_itself, is_root};
use super::terminal::{Slave, Window};
use super::trees::Trees;
use super::userns::Userns;
use super::{cgroup, console, guest_terminal, pidfd, plain, settings};
use crate::steps::{cpu, pid};

/// A container that is asked for.
#[derive(Debug)]
pub struct Order {
    /// What is to be done.
    pub plan: Plan,
    /// The configuration that it comes from.
    pub config: Spec,
    /// What is told of it.
    pub oci: Oci,
    /// Who looks into its terminal.
    pub looker: Looker,
    /// The file for the PID of its first process.
    pub pid_file: Option<PathBuf>,
    /// Whether the caller stays, and waits for its end.
    pub stays: bool,
}

/// Who looks into the container's terminal, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looker {
    /// Whoever listens at this socket.
    Socket(PathBuf),
    /// The caller, through its own terminal.
    Caller,
}

/// A container that is made, and waits for its start.
#[derive(Debug)]
pub struct Made {
    /// Its first process, a child of this one.
    pub pid: Pid,
    /// The caller's view of it.
    window: Option<Window>,
    /// The caller's signals, which are meant for it.
    signals: Option<SignalFd>,
}

/// Makes the container: all of it is there on return, but the command that it is for.
///
/// To be called by a process with one thread.
///
/// # Errors
/// What kept it from being made. Nothing is left of it then.
pub fn create(order: &Order, states: &StateDir) -> Result<Made> {
    let Order { plan, config, oci, looker, pid_file, stays } = order;
    check_terminal(plan, looker, *stays)?;
    // The name first: whoever comes second with it changes nothing.
    let claim = states.claim(&plan.id)?;
    // Before anything else is made: whatever happens from here on, `delete` knows what there is.
    model::write_config(&claim, config)?;
    let held = cgroup::make(plan, &claim)?;
    let group = held.as_ref().map(cgroup::Held::group);
    // As the caller, whose they are to be.
    binds(plan).filter(|bind| bind.make_source).try_for_each(|bind| volumes::make_source(&bind.source))?;
    let joined = Joined::open(&plan.joins)?;
    let userns = joined.userns(plan, claim.directory())?;
    let trees = match (&plan.ids, &userns) {
        (Some(maps), Some(userns)) if is_root() => Trees::open(plan, maps, userns.as_fd(), claim.directory())?,
        _ => Trees::mapped(plan)?,
    };
    // Before the fork: a signal that comes too early waits to be read.
    let signals = stays.then(pid::watch_signals).transpose()?;
    let (window, slave) = terminal(plan, looker, Some(&claim))?;
    if let (Some(slave), Some(maps), true) = (&slave, &plan.ids, is_root()) {
        slave.give_to(ids::outside(&maps.uids, plan.user.uid))?;
    }
    let listener = plan.seccomp.as_ref().and_then(|policy| policy.listener.as_ref());
    let listener = listener.map(|it| UnixStream::connect(&it.path).during("connect", it.path.display())).transpose()?;
    let door = Door::make(claim.directory())?;
    let (line, parent) = handshake::pair()?;
    let child = match joined.start(plan, userns.as_ref())? {
        ForkResult::Child => {
            claim.let_go();
            if let Some(window) = window {
                window.forget();
            }
            drop(line);
            let door = Some((door, oci));
            init::main(plan, Child { parent, terminal: slave, group, trees, layer: None, listener, door })
        }
        ForkResult::Parent { child } => child,
    };
    drop((parent, slave, trees, listener, door, joined)); // the child's
    let leash = Leash(child, group);
    let args = plan.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut state = State { oci: Some(oci.clone()), ..State::new(&plan.id, child, args) };
    claim.write(&state)?;
    if let Some(group) = group.filter(|_| !goes_there_itself(plan)) {
        cpu::join(group, child)?;
    }
    settings::limit_from_outside(plan, child)?;
    let hooks = &plan.hooks;
    if plan.new_pid && userns.is_none() && *hooks != Hooks::default() {
        hooks::back_to_own_pids()?;
    }
    let between = || {
        let told = Told { oci, id: &plan.id, status: Status::Creating, pid: child.as_raw() };
        hooks::run(&hooks.prestart, "prestart", told)?;
        hooks::run(&hooks.create_runtime, "createRuntime", told)
    };
    if let Some(message) = line.make(child, between)? {
        return Err(message.into_error());
    }
    if waitpid(child, Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive) {
        return Err(io::Error::other("it was killed on the way")).during("make", &plan.id);
    }
    if let Some(oci) = &mut state.oci {
        oci.made = true;
    }
    claim.write(&state)?;
    if let Some(path) = pid_file {
        write_whole(path, &child.to_string())?;
    }
    // It stays, with all that it has.
    leash.let_go();
    held.into_iter().for_each(cgroup::Held::keep);
    userns.into_iter().for_each(Userns::keep);
    claim.keep();
    Ok(Made { pid: child, window, signals })
}

/// Whether a terminal and who looks into it go together, in a container that the caller leaves or stays with.
///
/// # Errors
/// [`Error::Invalid`], as runc refuses it too.
pub fn check_terminal(plan: &Plan, looker: &Looker, stays: bool) -> Result<()> {
    match looker {
        Looker::Caller if plan.terminal && !stays => {
            Err(Error::invalid("--console-socket", "", "a socket for the terminal, which nobody else looks into"))
        }
        Looker::Socket(path) if !plan.terminal || stays => {
            let right = "none: there is no terminal for it (process.terminal), or the caller stays and looks into it";
            Err(Error::invalid("--console-socket", path.to_string_lossy(), right))
        }
        _ => Ok(()),
    }
}

/// The command's terminal, if it has one, and the caller's view of it.
fn terminal(plan: &Plan, looker: &Looker, claim: Option<&Claim>) -> Result<(Option<Window>, Option<Slave>)> {
    Ok(match looker {
        _ if !plan.terminal => (None, None),
        Looker::Socket(path) => (None, Some(console::open(path, None)?)),
        Looker::Caller => {
            let (window, slave) = Window::open(plan.stdin, claim)?;
            (Some(window), Some(slave))
        }
    })
}

/// Starts the command of a container that is made. What goes wrong afterwards and changes nothing is returned.
///
/// # Errors
/// [`Error::Os`] when it is not there, or does not wait to be started, or its command cannot be run.
pub fn start(id: &str, states: &StateDir) -> Result<Vec<Error>> {
    let (container, _hold) = states.hold(id)?;
    require(&container, "start", &[Status::Created])?;
    door::knock(container.directory())?;
    let hooks = Hooks::from_spec(&container.config()?)?;
    let unknown = Oci::default();
    let oci = container.state.oci.as_ref().unwrap_or(&unknown);
    let told = Told { oci, id, status: Status::Running, pid: container.state.pid };
    if oci.only_warns() {
        return Ok(hooks::run_all(&hooks.poststart, "poststart", told));
    }
    if let Err(error) = hooks::run(&hooks.poststart, "poststart", told) {
        pidfd::end(&container.state, container.cgroup().ok().as_ref())?;
        return Err(error);
    }
    Ok(Vec::new())
}

/// Sends `signal` to the first process of a container; to `all` of its processes, if they are asked for.
///
/// # Errors
/// [`Error::Os`] when it is not there, or does not run.
pub fn kill(id: &str, signal: i32, all: bool, states: &StateDir) -> Result<()> {
    let container = states.container(id)?;
    let status = container.status();
    if all && status == Status::Stopped {
        // What a first process without a PID namespace has left.
        return pidfd::signal_all(&container.cgroup()?, signal);
    }
    if !container.state.is_alive() {
        return wrong(&container, "kill", "container not running");
    }
    if all { pidfd::signal_all(&container.cgroup()?, signal) } else { pidfd::signal(&container.state, signal) }
}

/// Removes what is left of a container that has ended; with `force` one that has not, too. What goes wrong with hooks that are
/// called afterwards is returned, and changes nothing.
///
/// # Errors
/// [`Error::Os`] when it is not there, or runs still; not with `force`.
pub fn delete(id: &str, force: bool, states: &StateDir) -> Result<Vec<Error>> {
    let (container, hold) = match states.hold(id) {
        Err(error) if force && error.errno() == Some(Errno::ENOENT) => return Ok(Vec::new()),
        found => found?,
    };
    if !force {
        require(&container, "delete", &[Status::Stopped])?;
    }
    pidfd::end(&container.state, container.cgroup().ok().as_ref())?;
    // One that is half-made may have none.
    let hooks = container.config().and_then(|config| Hooks::from_spec(&config)).unwrap_or_default();
    let oci = container.state.oci.clone().unwrap_or_default();
    container.remove(hold, states, cpu::remove)?;
    let told = Told { oci: &oci, id, status: Status::Stopped, pid: 0 };
    Ok(hooks::run_all(&hooks.poststop, "poststop", told))
}

/// The container `id`, if it has a first process that lives.
///
/// # Errors
/// [`Error::Os`] when it is not there, or has ended.
pub fn alive(id: &str, what: &'static str, states: &StateDir) -> Result<Container> {
    let container = states.container(id)?;
    require(&container, what, &[Status::Created, Status::Running, Status::Paused]).map(|()| container)
}

/// The container `id`, if it runs: for a command that stops it where it is.
///
/// # Errors
/// [`Error::Os`] when it is not there, or does not run.
pub fn running(id: &str, states: &StateDir) -> Result<Container> {
    let container = states.container(id)?;
    require(&container, "pause", &[Status::Created, Status::Running]).map(|()| container)
}

/// The container `id`, if it is paused.
///
/// # Errors
/// [`Error::Os`] when it is not there, or not paused.
pub fn paused(id: &str, states: &StateDir) -> Result<Container> {
    let container = states.container(id)?;
    require(&container, "resume", &[Status::Paused]).map(|()| container)
}

/// Refuses a command for a container in another state than these.
fn require(container: &Container, what: &'static str, right: &[Status]) -> Result<()> {
    let status = container.status();
    if right.contains(&status) {
        return Ok(());
    }
    let words: Vec<String> = right.iter().map(ToString::to_string).collect();
    wrong(container, what, &format!("it is {status}, not {}", words.join(" or ")))
}

fn wrong(container: &Container, what: &'static str, why: &str) -> Result<()> {
    Err(io::Error::other(why.to_owned())).during(what, &container.state.id)
}

/// Writes a file that others wait for: they see all of it or nothing.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    fs::write(&new, text).during("write", new.display())?;
    fs::rename(&new, path).during("rename", path.display())
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
    let (window, terminal) = plan.terminal.then(|| guest_terminal::prepare(plan, socket)).transpose()?.unzip();
    let guest = Guest { state: &container.state, plan, privileged: is_privileged, leashed: !outlives };
    let (pid, line) = enter::start(&guest, terminal)?;
    match line.go(pid, None, || ())? {
        Some(message) => Err(message.into_error()),
        None => Ok(Made { pid, window: window.flatten(), signals }),
    }
}

impl Made {
    /// Waits for the end of the command, which gets the caller's signals meanwhile: its exit code.
    pub fn wait(self) -> Result<i32> {
        let code = match &self.signals {
            Some(signals) => pid::supervise(self.pid, signals),
            None => plain::wait(self.pid),
        };
        drop(self.window); // shows the rest
        code
    }
}
