//! `exec`: one process more in a container that runs.
//!
//! ```text
//! boxwright             go-between                       the new process
//!   | holds the first process of the container, looks at it
//!   | fork ---------------> | joins its cgroup and namespaces
//!   |                       | keeps nothing open, lets nobody look in
//!   |                       | fork -----------------------> | waits
//!   | <--- its PID -------- | ends
//!   | ---- go --------------------------------------------> | root, terminal, what it may not do
//!   | <--- nothing, or why not ---------------------------- | the command
//! ```

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use model::plan::Join;
use model::{During, NsKind, Plan, Process, Result, State, ids};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid, dup2_stdin};

use super::exec::{exec, reset_signals};
use super::guest_terminal::{self, Prepared};
use super::handshake::{self, ChildEnd, ParentEnd};
use super::joined::become_root;
use super::run::{Leash, is_root};
use super::terminal::{self, Returns};
use super::{cgroup, go_between, home, init, plain, security, settings};
use crate::steps::{join, pid, root, written};

/// A process that is to join a container.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The container: its first process.
    pub state: &'a State,
    /// What the process is to be, by [`Plan::joining`].
    pub plan: &'a Plan,
    /// Whether it may be given more than the container's first process can get.
    pub privileged: bool,
    /// Whether it ends when the calling process does.
    pub leashed: bool,
}

/// Joins, runs the command to its end, and returns its exit code.
///
/// To be called by a process with one thread.
///
/// # Errors
/// What kept the command from being started.
pub fn run(guest: &Guest<'_>) -> Result<i32> {
    // Before the fork: a signal that comes too early waits to be read.
    let signals = written(3).then(pid::watch_signals).transpose()?;
    let plan = guest.plan;
    let (window, terminal) =
        plan.terminal.then(|| guest_terminal::prepare(plan, Returns::Inside, None)).transpose()?.unzip();
    let (child, line) = start(guest, terminal)?;
    let _leash = Leash(child, None);
    let refusal = line.go(child, signals.as_ref(), || ())?;
    let code = signals.as_ref().map_or_else(|| plain::wait(child), |signals| pid::supervise(child, signals));
    drop(window); // shows the rest
    refusal.map_or(code, |message| Err(message.into_error()))
}

/// Starts a process that joins: its PID, a child of the caller, and the line by which it waits for a word.
///
/// # Errors
/// What kept it from joining.
pub fn start(guest: &Guest<'_>, terminal: Option<Prepared>) -> Result<(Pid, ParentEnd)> {
    let process = join::open(guest.state.pid(), guest.state.started_ticks)?;
    let kinds = join::differing(&process)?;
    let powers = process.powers()?;
    // By the host's /proc, while it is in sight: the container's own may say anything.
    let root = open_root(&process)?;
    let path = |kind: &NsKind| process.proc(&format!("ns/{kind}"));
    let joins = kinds.iter().map(|kind| Join { kind: *kind, path: path(kind) }).collect();
    let plan = &Plan { joins, ..guest.plan.clone() };
    let listener = plan.seccomp.as_ref().and_then(|policy| policy.listener.as_ref());
    let listener = listener.map(|it| UnixStream::connect(&it.path).during("connect", it.path.display())).transpose()?;
    if let (Some(terminal), Some(maps), true) = (&terminal, &plan.ids, is_root()) {
        terminal.give_to(ids::outside(&maps.uids, plan.user.uid))?;
    }
    let (line, parent) = handshake::pair()?;
    let enter = || {
        if terminal.is_none() && !plan.stdin {
            // The host's: the container's own may be anything.
            dup2_stdin(File::open("/dev/null").during("open", "/dev/null")?).during("dup2", "stdin")?;
        }
        // By the host's /proc, and whoever is forked has what its parent has.
        settings::tell_the_kernel(plan)?;
        if let Some(processors) = &plan.affinity.at_first {
            settings::run_on(processors)?;
        }
        // While its directories are in sight, and the right to write there.
        join::enter_group(&process)?;
        if let Some(path) = &plan.subgroup {
            cgroup::enter_below(path)?;
        }
        if let Some(processors) = &plan.affinity.then {
            settings::run_on(processors)?;
        }
        let all: Vec<_> = kinds.iter().map(|kind| (*kind, process.fd.as_fd())).collect();
        join::enter(&all)?;
        if kinds.contains(&NsKind::User) {
            become_root()?;
        }
        if guest.privileged { Ok(()) } else { join::lower(&powers) }
    };
    let keep = parent.ends().into_iter().chain([root.as_fd()]);
    let keep = keep.chain(terminal.iter().flat_map(Prepared::ends)).chain(listener.as_ref().map(AsFd::as_fd));
    let keep: Vec<_> = keep.chain(settings::kept_fds(plan)).collect();
    let forked = go_between::start(enter, |tell| join::fork_inside(&[&keep[..], &[tell]].concat()));
    match forked? {
        ForkResult::Parent { child } => {
            settings::limit_from_outside(plan, child)?;
            Ok((child, line))
        }
        // From here on nothing of the caller's is used or dropped: it is closed.
        ForkResult::Child => init::report(|report| {
            let parent = report.insert(parent);
            let pid = wait(plan, guest.leashed, parent)?;
            story(plan, guest.leashed, parent, (root, terminal, listener, pid))
        }),
    }
}

fn open_root(process: &Process) -> Result<OwnedFd> {
    let (path, flags) = (process.proc("root"), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    let root = open(&path, flags, Mode::empty()).during("open", path.display());
    process.lives()?;
    root
}

/// Waits for the word, and asks to die with whoever gave it.
fn wait(plan: &Plan, leashed: bool, parent: &mut ChildEnd) -> Result<Pid> {
    let pid = parent.wait_for_go();
    if leashed && plan.is_supervised() {
        pid::die_with_parent()?;
    }
    parent.is_there()?;
    Ok(pid)
}

/// In the container: from the word to the command.
fn story(
    plan: &Plan,
    leashed: bool,
    parent: &mut ChildEnd,
    (root, terminal, listener, pid): (OwnedFd, Option<Prepared>, Option<UnixStream>, Pid),
) -> Result<Infallible> {
    join::enter_root(root.as_fd(), &plan.cwd)?;
    drop(root);
    // Where the container's own terminals are.
    let slave = terminal.map(Prepared::make).transpose()?;
    terminal::take(&Plan { stdin: true, ..plan.clone() }, slave)?;
    reset_signals()?;
    if plan.seal_fds {
        root::seal_fds()?;
        settings::keep_fds(plan)?;
    }
    settings::settle(plan)?;
    security::give_up_power(plan, (leashed && plan.is_supervised()).then_some(&*parent))?;
    let env = home::env(plan);
    security::filter_calls(plan, listener.map(|listener| (listener, pid)))?;
    exec(plan, &env)
}
