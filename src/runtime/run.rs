//! The parent: from a plan to the command's exit code.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use model::plan::{Bind, Mount};
use model::{Cgroup, Claim, During, NsKind, Plan, Result, State, StateDir, borrowed_userns, ids, volumes};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, geteuid};
use oci_spec::runtime::Spec;

use super::cgroup;
use super::handshake::{self, ParentEnd};
use super::image_files;
use super::init::Child;
use super::joined::Joined;
use super::layer::Held;
use super::terminal::{Returns, Window};
use super::trees::Trees;
use super::{host_rootfs, init, plain, settings};
use crate::steps::{Lab, cpu, lab, limits, pid, written};

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The exit code of its command.
    pub code: i32,
    /// How many of its processes the kernel has killed because the memory limit was reached.
    pub oom_kills: u64,
}

/// Runs `plan`, which `config` comes to, to its end. Afterwards nothing of it is left.
///
/// To be called by a process with one thread. `in_use` is let go of when the container's own layer says what it lies on.
///
/// # Errors
/// What kept the command from being started.
pub fn run<T>(plan: &Plan, config: &Spec, states: &StateDir, in_use: T) -> Result<End> {
    // The name first: whoever comes second with it changes nothing.
    let claim = states.claim(&plan.id)?;
    // For those who come later: what a process is to be that joins it.
    model::write_config(&claim, config)?;
    // A limit that cannot be had is refused before there is anything to take back.
    let held = cgroup::make(plan, &claim)?;
    let group = held.as_ref().map(cgroup::Held::group);
    if let Some(rootfs) = plan.rootfs.as_ref().filter(|_| plan.rootfs_from_host) {
        host_rootfs::build(rootfs)?;
    }
    // As the caller, whose they are to be.
    binds(plan).filter(|bind| bind.make_source).try_for_each(|bind| volumes::make_source(&bind.source))?;
    if plan.from_image {
        image_files::write(plan, claim.directory())?;
    }
    if plan.borrow_userns {
        borrowed_userns::enter()?;
    }
    let joined = Joined::open(&plan.joins)?;
    let userns = joined.userns(plan, claim.directory())?;
    let layer = plan.layer.as_ref().map(|layer| Held::make(plan, layer, userns.as_ref())).transpose()?;
    drop(in_use);
    let in_snapshot = layer.as_ref().and_then(|layer| layer.in_snapshot(plan));
    let plan = in_snapshot.as_ref().unwrap_or(plan);
    let trees = match (&plan.ids, &userns) {
        // An ordinary user's container is as near to the user's files as they are.
        (Some(maps), Some(userns)) if is_root() => Trees::open(plan, maps, userns.as_fd(), claim.directory())?,
        _ => Trees::mapped(plan)?,
    };
    // Before the fork: a signal that comes too early waits to be read.
    let signals = plan.is_supervised().then(pid::watch_signals).transpose()?;
    let (window, slave) =
        plan.terminal.then(|| Window::open(plan.stdin, Returns::Inside, Some(&claim))).transpose()?.unzip();
    let listener = plan.seccomp.as_ref().and_then(|policy| policy.listener.as_ref());
    // By whoever starts the container, and before it is one: the socket is the host's.
    let listener = listener.map(|it| UnixStream::connect(&it.path).during("connect", it.path.display())).transpose()?;
    if let (Some(slave), Some(maps), true) = (&slave, &plan.ids, is_root()) {
        // Not the child's to give away: it is root's.
        slave.give_to(ids::outside(&maps.uids, plan.user.uid))?;
    }
    let (line, parent) = handshake::pair()?;
    match joined.start(userns.as_ref(), || fork(plan))? {
        ForkResult::Child => {
            // The parent's: the child must not wait for a window, nor hide the parent's death from itself, nor from others.
            claim.let_go();
            let layer = layer.as_ref().map(Held::let_go);
            if let Some(window) = window {
                window.forget();
            }
            drop(line);
            let is_born = false;
            init::main(plan, Child { parent, terminal: slave, group, is_born, trees, layer, listener, door: None })
        }
        ForkResult::Parent { child } => {
            drop((parent, slave, trees, listener, joined)); // the child's
            let code = watch(plan, &claim, group, (child, line), signals.as_ref());
            drop(window); // shows the rest
            if let (Some(layer), Ok(_)) = (layer, &code) {
                layer.keep();
            }
            let oom_kills = match group {
                Some(group) if written(8) && group.version("memory").is_ok() => limits::oom_kills(group)?,
                _ => 0,
            };
            code.map(|code| End { code, oom_kills })
        }
    }
}

/// Forks the first process of a container, as the labs do it.
pub(super) fn fork(plan: &Plan) -> Result<ForkResult> {
    if plan.new_pid { pid::start_pid1() } else { plain::start() }
}

pub(super) fn binds(plan: &Plan) -> impl Iterator<Item = &Bind> {
    plan.mounts.iter().filter_map(|mount| if let Mount::Bind(bind) = mount { Some(bind) } else { None })
}

/// Whether the child moves itself into its cgroup. In a user namespace that root made it has no right to. Before lab 08 it is lab 07
/// that moves it, from outside.
pub(super) fn goes_there_itself(plan: &Plan) -> bool {
    written(8) && !((plan.ids.is_some() || plan.joins(NsKind::User)) && is_root())
}

pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// Gives the child the word, and waits for its end.
fn watch(
    plan: &Plan,
    claim: &Claim,
    group: Option<&Cgroup>,
    (child, line): (Pid, ParentEnd),
    signals: Option<&SignalFd>,
) -> Result<i32> {
    let args = plan.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let _leash = Leash(child, group);
    let sources = binds(plan).map(|bind| bind.source.clone()).collect();
    let state = State { sources, ..State::new(&plan.id, child, args) };
    claim.write(&state)?;
    if let Some(group) = group.filter(|_| !goes_there_itself(plan)) {
        // From outside.
        cpu::join(group, child)?;
    }
    settings::limit_from_outside(plan, child)?;
    let thaw = || cgroup::thaw_for_the_end(group);
    let refusal = line.go(child, signals, thaw)?;
    if refusal.is_none() {
        claim.write(&State { up: true, ..state })?;
    }
    let code = match signals {
        Some(signals) => {
            if handshake::comes_an_end(signals)? {
                thaw();
            }
            pid::supervise(child, signals)
        }
        None => plain::wait(child),
    };
    // A step that failed is the better story than the exit code that it led to.
    refusal.map_or(code, |message| Err(message.into_error()))
}

/// Ends the container when its supervisor goes first: by an error, a panic, or because it took another's end for its.
#[derive(Debug)]
pub(super) struct Leash<'a>(pub Pid, pub Option<&'a Cgroup>);

impl Leash<'_> {
    /// Lets it live on.
    pub fn let_go(self) {
        std::mem::forget(self);
    }
}

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        // A child of ours that lives on has its PID still. Any other is not ours to kill.
        if waitpid(self.0, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive) {
            cgroup::thaw_for_the_end(self.1);
            let _ = kill(self.0, Signal::SIGKILL);
            let _ = waitpid(self.0, None);
        }
    }
}

/// The plan without the steps whose labs are not written, and those labs. A flag that asked for one is
/// refused earlier, by [`crate::steps::require`].
#[must_use]
pub fn leave_out_unwritten(mut plan: Plan) -> (Plan, Vec<&'static Lab>) {
    let mut left_out = Vec::new();
    let mut is_missing = |number: u8| {
        left_out.extend(lab(number).filter(|lab| !lab.written));
        !written(number)
    };
    if plan.uts.is_some() && is_missing(1) {
        plan.uts = None;
    }
    if plan.new_ipc && is_missing(2) {
        plan.new_ipc = false;
        plan.mounts.retain(|mount| !matches!(mount, Mount::Mqueue(_)));
    }
    if plan.new_pid && is_missing(3) {
        plan.new_pid = false;
        if plan.ids.is_some() {
            // The PID namespace is still the host's, and only its owner may mount a proc of it.
            plan.mounts.retain(|mount| !matches!(mount, Mount::Proc(_)));
        }
    }
    if plan.new_mnt && is_missing(4) {
        plan.new_mnt = false;
        plan.mounts.clear();
    }
    let is_lab_06s = |mount: &Mount| !matches!(mount, Mount::Proc(_) | Mount::Mqueue(_));
    let hides = !plan.masked_paths.is_empty() || !plan.read_only_paths.is_empty();
    if (hides || plan.mounts.iter().any(is_lab_06s)) && is_missing(6) {
        plan.mounts.retain(|mount| !is_lab_06s(mount));
        plan.masked_paths.clear();
        plan.read_only_paths.clear();
    }
    if plan.cgroup && is_missing(7) {
        plan.cgroup = false;
    }
    if (plan.new_cgroup || !plan.resources.devices.is_empty()) && is_missing(8) {
        plan.new_cgroup = false;
        plan.resources.devices.clear();
    }
    plan.new_cgroup &= plan.cgroup;
    if plan.ids.is_some() && is_missing(9) {
        plan.ids = None;
        plan.borrow_userns = true;
    }
    if plan.caps.is_some() && is_missing(10) {
        plan.caps = None;
    }
    if plan.seccomp.is_some() && is_missing(11) {
        plan.seccomp = None;
    }
    if plan.layer.is_some() && is_missing(12) {
        plan.layer = None;
    }
    if !plan.joins.is_empty() && is_missing(15) {
        plan.joins.clear();
    }
    plan.seal_fds &= written(5);
    (plan, left_out)
}
