//! The child: from the fork to the command, one step a line, each a lab's verb.
//!
//! The plan says which steps are taken; the order says why it works.

#![allow(unsafe_code, reason = "fork and close_range have no safe wrapper")]

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use model::on_disk::read_all;
use model::plan::Names;
use model::{Cgroup, During, Kept, Message, NsKind, Oci, Plan, Propagation, Result, Status, exit};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, chdir, fork, getcwd, getpid, pipe2, setpgid, tcsetpgrp};

use super::door::{AtTheDoor, Door};
use super::exec::{exec, exit_now, find, reset_signals};
use super::furnish::{close_the_root, furnish};
use super::handshake::ChildEnd;
use super::hold;
use super::home;
use super::hooks::{self, Caller, Told};
use super::layer;
use super::network;
use super::run::goes_there_itself;
use super::terminal::{self, Slave};
use super::trees::Trees;
use super::{cgroup, propagation, security, settings};
use crate::steps::{ipc, join, lifecycle, limits, mounts, pid, root, uts};

/// What the child needs from before the fork.
#[derive(Debug)]
pub struct Child<'a> {
    /// The line to the parent.
    pub parent: ChildEnd,
    /// Its cgroup, when it has one.
    pub group: Option<&'a Cgroup>,
    /// Whether it is in the part of that which is v2's.
    pub is_born: bool,
    /// What root has opened for it.
    pub trees: Trees,
    /// Where what it writes goes.
    pub layer: Option<&'a Kept>,
    /// Who answers for the calls that its filter asks about.
    pub listener: Option<UnixStream>,
    /// The terminal to be, when the plan asks for one.
    pub terminal: Option<Slave>,
    /// Where it waits for its start, when it outlives whoever makes it, and what its hooks are told.
    pub door: Option<(Door, &'a Oci)>,
}

/// Becomes the container. The process never returns into the frames that it was forked from: they are the
/// parent's, and their destructors too.
pub fn main(plan: &Plan, child: Child<'_>) -> ! {
    report(|report| story(plan, child, report))
}

/// Takes steps in a process that was forked off, and tells what went wrong to whoever `steps` has put on the line.
pub(super) fn report(steps: impl FnOnce(&mut Option<ChildEnd>) -> Result<Infallible>) -> ! {
    let mut report = None;
    let told = catch_unwind(AssertUnwindSafe(|| steps(&mut report)));
    let (message, code) = match told {
        Ok(Err(error)) => (Message::from(&error), exit::code(&error)),
        Err(_) => (Message::panicked("a step panicked; its words are above"), exit::FAILED),
    };
    if let Some(parent) = report {
        parent.send(&message);
    }
    exit_now(code)
}

/// From the fork to the command.
fn story(plan: &Plan, child: Child<'_>, report: &mut Option<ChildEnd>) -> Result<Infallible> {
    let parent = report.insert(child.parent);
    let pid = parent.wait_for_go();
    let has_a_leash = plan.is_supervised() && child.door.is_none();
    if has_a_leash {
        // From here on a parent that dies takes us with it. Not before its word: in a user namespace it is only by now that
        // it is our parent.
        pid::die_with_parent()?;
    }
    parent.is_there()?;
    match child.group {
        // Before anything else is made or used: from here on it counts.
        Some(group) if goes_there_itself(plan) => {
            let others = child.is_born.then(|| group.v1()).transpose()?;
            let group = others.as_ref().unwrap_or(group);
            if plan.new_cgroup { limits::enter(group)? } else { cgroup::join(group)? }
        }
        // It is there already.
        Some(_) if plan.new_cgroup => unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")?,
        _ => {}
    }
    terminal::take(plan, child.terminal)?;
    if let Some(Names { hostname, domainname }) = &plan.uts {
        uts::enter(hostname.as_deref(), domainname.as_deref())?;
    }
    if plan.new_ipc {
        ipc::unshare_ipc()?;
    }
    if plan.new_net {
        network::loopback_alone()?;
    }
    if let Some(offsets) = &plan.time {
        settings::enter_time(offsets)?;
    }
    let mountinfo = if plan.new_mnt { leave_the_hosts_mounts(plan)? } else { None };
    // While /proc is the host's still.
    settings::tell_the_kernel(plan)?;
    if plan.joins(NsKind::Mnt) {
        // Somebody else has furnished it. The root is found where this process is by now.
        let path = plan.rootfs.as_deref().unwrap_or(Path::new("/"));
        join::enter_root(File::open(path).during("open", path.display())?.as_fd(), Path::new("/"))?;
    } else {
        // While the old root is in sight, where the volumes are, and after the namespaces that proc and mqueue show.
        let rootfs = layer::rootfs(plan, child.layer, &child.trees)?;
        if let (Some(_), Some(rootfs)) = (plan.crossing(), &rootfs) {
            propagation::cut_off(rootfs)?;
        }
        furnish(plan, rootfs.as_deref(), &child.trees, mountinfo)?;
        if let Some((_, oci)) = &child.door {
            at_the_switch(plan, oci, parent)?;
        }
        match (&rootfs, plan.crossing()) {
            (Some(rootfs), None) => root::enter_pivot_root(rootfs)?,
            (Some(rootfs), Some(_)) => propagation::enter(rootfs)?,
            (None, _) => {}
        }
    }
    // They are mounts of the container by now, or nobody's: no way out is left open.
    drop(child.trees);
    if let Some(spread) = plan.propagation.filter(|_| plan.new_mnt) {
        propagation::settle(spread)?;
    }
    let has_root = plan.rootfs.is_some() && !plan.joins(NsKind::Mnt);
    enter_cwd(&plan.cwd, has_root)?;
    if plan.read_only_root && plan.new_mnt {
        // Not before: mount points had to be made in it, and the switch makes a mount of its own.
        close_the_root()?;
    }
    // What Rust and the parent's watch changed: a program expects an empty mask and the default actions.
    reset_signals()?;
    if plan.seal_fds {
        // Because every step before it may have left a descriptor open.
        root::seal_fds()?;
        settings::keep_fds(plan)?;
    }
    settings::settle(plan)?;
    security::give_up_power(plan, has_a_leash.then_some(&*parent))?;
    let env = home::env(plan);
    if let Some((door, oci)) = child.door {
        // While there is somebody to tell.
        find(plan)?;
        let told = Told { oci, id: &plan.id, status: Status::Created, pid: getpid().as_raw() };
        let hooks = &plan.hooks.start_container;
        let caller = Caller { env: Some(&env), policy: plan.seccomp.as_ref() };
        lifecycle::wait_for_start(&mut AtTheDoor { door: &door, line: report, hooks, caller, told })?;
    }
    // Before the filter, which may know no pipes.
    let hold = plan.init.then(|| pipe2(OFlag::O_CLOEXEC)).transpose().during("pipe", "the init's hold")?;
    security::filter_calls(plan, child.listener.map(|listener| (listener, pid)))?;
    if let Some(hold) = hold {
        go_on_as_child_of_an_init(plan, hold)?;
    }
    if plan.hold { hold::stay() } else { exec(plan, &env) }
}

/// The hooks that see the container's namespaces while the host's files are in sight: the parent's first, then those that are called
/// in here. Source: OCI runtime-spec, config, "createRuntime Hooks" and "createContainer Hooks".
fn at_the_switch(plan: &Plan, oci: &Oci, parent: &mut ChildEnd) -> Result<()> {
    if !plan.hooks.prestart.is_empty() || !plan.hooks.create_runtime.is_empty() {
        parent.ask()?;
    }
    let told = Told { oci, id: &plan.id, status: Status::Creating, pid: getpid().as_raw() };
    hooks::run(&plan.hooks.create_container, "createContainer", told)
}

/// Enters the working directory, which is made when it is missing from a root file system of the container's own.
fn enter_cwd(cwd: &Path, may_be_made: bool) -> Result<()> {
    let entered = match chdir(cwd) {
        Err(Errno::ENOENT) if may_be_made => {
            fs::create_dir_all(cwd).during("mkdir", cwd.display())?;
            chdir(cwd)
        }
        entered => entered,
    };
    entered.during("chdir", cwd.display())?;
    // What the caller has left open is open still, and /proc/self/fd/N leads to it: the host's, CVE-2024-21626. A directory that
    // does not lie below the root has no path from there.
    getcwd().during("getcwd", format_args!("{}, which is not in the container", cwd.display()))?;
    Ok(())
}

/// Lab 04's two steps, and a look after each: what follows changes mounts, and on the host's it would be a
/// disaster. So a verb that says Ok and did nothing is caught here, before anything is mounted. Returns what that look has seen, the
/// text of mountinfo.
fn leave_the_hosts_mounts(plan: &Plan) -> Result<Option<Vec<u8>>> {
    let namespace = || fs::metadata("/proc/self/ns/mnt").map(|file| file.ino()).during("stat", "/proc/self/ns/mnt");
    let host = namespace()?;
    mounts::unshare_mounts()?;
    if namespace()? == host {
        refuse("unshare_mounts returned Ok, and this is still the host's mount namespace")?;
    }
    if let Some(spread) = plan.crossing() {
        return propagation::prepare(spread.how).map(|()| None);
    }
    mounts::set_propagation(Path::new("/"), Propagation::Private)?;
    let mountinfo = File::open("/proc/self/mountinfo").and_then(read_all).during("read", "/proc/self/mountinfo")?;
    if mountinfo.windows(8).any(|bytes| bytes == b" shared:") {
        refuse("set_propagation returned Ok, and some mounts are still shared with the host")?;
    }
    Ok(Some(mountinfo))
}

fn refuse(what: &str) -> Result<()> {
    Err(io::Error::other(format!("lab 04: {what}; stopped before the host's mounts were changed"))).during("check", "/")
}

/// Forks. PID 1 stays behind to look after the command, and this returns in the command's process to be, when PID 1 has let go
/// of the line to boxwright: for as long as that is open, boxwright takes the container for not started, and ends it by SIGKILL.
fn go_on_as_child_of_an_init(plan: &Plan, (held, hold): (OwnedFd, OwnedFd)) -> Result<()> {
    // Before there is a command whose signals they are: an init without an opinion would be ended by SIGKILL for them.
    SigSet::all().thread_block().during("sigprocmask", "all signals")?;
    // SAFETY: this process has one thread, so that no lock can be held by a thread that the child lacks.
    let forked = unsafe { fork() }.during("fork", "the command below the init")?;
    let ForkResult::Parent { child: command } = forked else {
        drop(hold);
        // The end of the file: what the init closes below.
        File::from(held).read(&mut [0]).during("read", "the init's hold")?;
        SigSet::empty().thread_set_mask().during("sigprocmask", "no signal")?;
        return lead_a_process_group(plan);
    };
    // The init lives as long as the container, and whoever is in there can reach its descriptors through
    // /proc/1/fd. So it keeps the standard three alone.
    // SAFETY: nothing that owns one of these descriptors is used or dropped again: this process ends below.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    let code = pid::watch_signals().and_then(|signals| pid::supervise(command, &signals));
    if let Err(error) = &code {
        // The line to the parent is closed by now.
        let _ = writeln!(io::stderr(), "boxwright: {error}");
    }
    exit_now(code.unwrap_or(exit::FAILED))
}

/// A group of its own for the command, so that a Ctrl-C reaches it once, and not again through the init.
fn lead_a_process_group(plan: &Plan) -> Result<()> {
    setpgid(getpid(), getpid()).during("setpgid", "the command")?;
    if plan.terminal {
        // Whoever is not in the foreground is stopped by this signal for asking.
        let stops = SigSet::from(Signal::SIGTTOU);
        stops.thread_block().during("sigprocmask", "SIGTTOU")?;
        tcsetpgrp(io::stdin(), getpid()).during("tcsetpgrp", "the command")?;
        stops.thread_unblock().during("sigprocmask", "SIGTTOU")?;
    }
    Ok(())
}
