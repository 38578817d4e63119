//! What `create` puts together: all that a container's first process needs, and that process on its way to the door.
//!
//! The order in which this is called is lab 16's.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use model::plan::hooks::Hooks;
use model::{Cgroup, Claim, During, Error, Oci, Plan, Result, State, StateDir, Status, ids, volumes};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use oci_spec::runtime::Spec;

use super::door::Door;
use super::handshake::{self, ParentEnd};
use super::hooks::Told;
use super::init::{self, Child};
use super::joined::Joined;
use super::run::{self, Leash, binds, goes_there_itself, is_root};
use super::terminal::{Returns, Slave, Window};
use super::trees::Trees;
use super::userns::Userns;
use super::{born, console, hooks, plain, settings};
use crate::steps::{cpu, lifecycle, pid};

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
    /// Whether its first process has gone its way to the door, on which hooks are called.
    pub was_led: Cell<bool>,
}

/// Who looks into the container's terminal, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looker {
    /// Whoever listens at this socket.
    Socket(PathBuf),
    /// The caller, through its own terminal.
    Caller,
}

impl Order {
    /// What is to be written down of the container whose first process is `pid`.
    #[must_use]
    pub fn state(&self, pid: Pid) -> State {
        let args = self.plan.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        State { oci: Some(self.oci.clone()), ..State::new(&self.plan.id, pid, args) }
    }
}

/// Makes the container, as lab 16 does. When that fails on the way to the door, its life ends like any other, with the poststop hooks;
/// `warn` is told what goes wrong with these.
///
/// Source: OCI runtime-spec, runtime, "Lifecycle", 3 to 5, 12 and 13.
///
/// # Errors
/// As lab 16's `create`.
pub fn create(order: &Order, states: &StateDir, warn: impl FnOnce(&[Error])) -> Result<Made> {
    lifecycle::create(order, states).inspect_err(|_| {
        if order.was_led.get() {
            let told = Told { oci: &order.oci, id: &order.plan.id, status: Status::Stopped, pid: 0 };
            warn(&hooks::run_all(&order.plan.hooks.poststop, "poststop", told));
        }
    })
}

/// What a first process needs from before its fork, and the caller's side of it.
#[derive(Debug)]
pub struct Materials<'a> {
    order: &'a Order,
    group: Option<&'a Cgroup>,
    joined: Joined,
    userns: Option<Userns>,
    trees: Trees,
    signals: Option<SignalFd>,
    window: Option<Window>,
    slave: Option<Slave>,
    listener: Option<UnixStream>,
    door: Door,
}

impl<'a> Materials<'a> {
    /// Opens and makes them: sources of volumes, namespaces that are there already, the user namespace, the terminal, sockets of
    /// others, and the door in the container's directory.
    ///
    /// # Errors
    /// What cannot be had. Nothing is left of it then.
    pub fn gather(order: &'a Order, claim: &Claim, group: Option<&'a Cgroup>) -> Result<Self> {
        let Order { plan, looker, stays, .. } = order;
        check_terminal(plan, looker, *stays)?;
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
        let (window, slave) = terminal(plan, looker, Some(claim))?;
        if let (Some(slave), Some(maps), true) = (&slave, &plan.ids, is_root()) {
            slave.give_to(ids::outside(&maps.uids, plan.user.uid))?;
        }
        let listener = plan.seccomp.as_ref().and_then(|policy| policy.listener.as_ref());
        let listener = listener.map(|it| UnixStream::connect(&it.path).during("connect", it.path.display()));
        let listener = listener.transpose()?;
        let door = Door::make(claim.directory())?;
        Ok(Materials { order, group, joined, userns, trees, signals, window, slave, listener, door })
    }

    /// Forks the first process, which waits until [`First::lead_to_the_door`]. What is its alone is closed here.
    ///
    /// To be called by a process with one thread.
    ///
    /// # Errors
    /// What kept it from being forked.
    pub fn fork(self, claim: &Claim) -> Result<First<'a>> {
        let Materials { order, group, joined, userns, trees, signals, window, slave, listener, door } = self;
        let (line, parent) = handshake::pair()?;
        let plan = &order.plan;
        let mut is_born = false;
        let fork = || {
            let born = group.filter(|_| goes_there_itself(plan)).and_then(|group| born::start(group, plan.new_pid));
            is_born = born.is_some();
            born.map_or_else(|| run::fork(plan), Ok)
        };
        match joined.start(userns.as_ref(), fork)? {
            ForkResult::Child => {
                claim.let_go();
                if let Some(window) = window {
                    window.forget();
                }
                drop(line);
                let door = Some((door, &order.oci));
                init::main(plan, Child { parent, terminal: slave, group, is_born, trees, layer: None, listener, door })
            }
            ForkResult::Parent { child } => {
                Ok(First { leash: Leash(child, group), line, userns, order, window, signals })
            }
        }
    }
}

/// A container's first process, on its way to the door. It is killed when this is dropped.
#[derive(Debug)]
pub struct First<'a> {
    // The process goes first, then what it is in.
    leash: Leash<'a>,
    line: ParentEnd,
    userns: Option<Userns>,
    order: &'a Order,
    window: Option<Window>,
    signals: Option<SignalFd>,
}

impl First<'_> {
    /// Its PID.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.leash.0
    }

    /// What has to be done to it from outside, before it takes a step: its cgroup, where it cannot go there itself, and its limits.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn limit(&self) -> Result<()> {
        if let Some(group) = self.leash.1.filter(|_| !goes_there_itself(&self.order.plan)) {
            cpu::join(group, self.pid())?;
        }
        settings::limit_from_outside(&self.order.plan, self.pid())
    }

    /// After the fork of PID 1 of a new namespace, the caller's next child would be born in there, a hook too: back to the caller's own.
    ///
    /// # Errors
    /// What setns(2) refuses.
    pub fn back_to_own_pids(&self) -> Result<()> {
        let plan = &self.order.plan;
        if plan.new_pid && self.userns.is_none() && plan.hooks != Hooks::default() {
            hooks::back_to_own_pids()?;
        }
        Ok(())
    }

    /// Lets it take its steps, and returns when it waits at the door. `between` is done when its namespaces are made and its root is
    /// not switched yet; until then it waits.
    ///
    /// # Errors
    /// The step that failed in there; what `between` failed with; that it has ended on the way.
    pub fn lead_to_the_door(&mut self, between: impl FnOnce() -> Result<()>) -> Result<()> {
        let child = self.pid();
        self.order.was_led.set(true);
        if let Some(message) = self.line.make(child, between)? {
            return Err(message.into_error());
        }
        if waitpid(child, Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive) {
            return Err(std::io::Error::other("it was killed on the way")).during("make", &self.order.plan.id);
        }
        Ok(())
    }

    /// Lets it live on when the caller has ended.
    #[must_use]
    pub fn let_go(self) -> Made {
        let pid = self.pid();
        self.leash.let_go();
        self.userns.into_iter().for_each(Userns::keep);
        Made { pid, window: self.window, signals: self.signals }
    }
}

/// A container that is made, and waits for its start.
#[derive(Debug)]
pub struct Made {
    /// Its first process, a child of this one.
    pub pid: Pid,
    /// The caller's view of it.
    pub(crate) window: Option<Window>,
    /// The caller's signals, which are meant for it.
    pub(crate) signals: Option<SignalFd>,
}

impl Made {
    /// Waits for the end of the command, which gets the caller's signals meanwhile: its exit code.
    ///
    /// # Errors
    /// What the wait fails with.
    pub fn wait(self) -> Result<i32> {
        let code = match &self.signals {
            Some(signals) => pid::supervise(self.pid, signals),
            None => plain::wait(self.pid),
        };
        drop(self.window); // shows the rest
        code
    }
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
pub(super) fn terminal(plan: &Plan, looker: &Looker, claim: Option<&Claim>) -> Result<(Option<Window>, Option<Slave>)> {
    Ok(match looker {
        _ if !plan.terminal => (None, None),
        Looker::Socket(path) => (None, Some(console::open(path, None)?)),
        Looker::Caller => {
            let (window, slave) = Window::open(plan.stdin, Returns::Outside, claim)?;
            (Some(window), Some(slave))
        }
    })
}
