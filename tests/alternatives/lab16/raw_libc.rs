//! Lab 16 with system calls alone: files are opened below a directory's descriptor, signals go by a pidfd of its own, and what a command
//! needs of a container is read before anything is changed.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "system calls")]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use model::plan::hooks::Hooks;
use model::{Cgroup, Container, During, Error, Oci, Result, State, StateDir, Status, write_config};
use nix::errno::Errno;
use nix::unistd::Pid;

use super::cpu;
use crate::runtime::cgroup::{self, Held};
use crate::runtime::door::{self, AtTheDoor};
use crate::runtime::found::refuse;
use crate::runtime::hooks::{self, Told};
use crate::runtime::making::{Made, Materials, Order};
use crate::runtime::pidfd;

/// See the solution.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let c_string = |name: &[u8]| CString::new(name).map_err(io::Error::from).during("write", path.display());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(parent).during("open", parent.display())?;
    let name = c_string(path.file_name().unwrap_or_default().as_bytes())?;
    // Two at once do not write to one file.
    let new = c_string(format!(".{}.{}", std::process::id(), name.to_string_lossy()).as_bytes())?;
    let at = directory.as_raw_fd();
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC;
    // SAFETY: a descriptor that is open, C strings; what openat returns is nobody else's.
    unsafe {
        let fd = Errno::result(libc::openat(at, new.as_ptr(), flags, 0o644)).during("open", new.to_string_lossy())?;
        let mut file = File::from(OwnedFd::from_raw_fd(fd));
        let written = file.write_all(content).and_then(|()| file.sync_data()).during("write", new.to_string_lossy());
        let moved = written.and_then(|()| {
            let result = libc::renameat(at, new.as_ptr(), at, name.as_ptr());
            Errno::result(result).map(drop).during("rename", path.display())
        });
        if moved.is_err() {
            libc::unlinkat(at, new.as_ptr(), 0);
        }
        moved
    }
}

/// See the solution.
#[must_use]
pub fn status(container: &Container) -> Status {
    let is_held = container.is_held();
    if !container.state.is_alive() {
        return if is_held && container.state.pid == 0 { Status::Creating } else { Status::Stopped };
    }
    if container.is_frozen() {
        return Status::Paused;
    }
    if !container.is_at_the_door() {
        return Status::Running;
    }
    let is_on_its_way = is_held && !container.state.oci.as_ref().is_some_and(|oci| oci.made);
    if is_on_its_way { Status::Creating } else { Status::Created }
}

/// See the solution.
pub fn wait_for_start(at: &mut AtTheDoor<'_>) -> Result<()> {
    at.tell_the_maker()?;
    let socket = at.socket().as_raw_fd();
    // SAFETY: the socket is open; no address is asked for; what comes back is nobody else's.
    let line = unsafe {
        let line = loop {
            match Errno::result(libc::accept(socket, std::ptr::null_mut(), std::ptr::null_mut())) {
                Err(Errno::EINTR) => {}
                line => break line.during("accept", "the start")?,
            }
        };
        Errno::result(libc::fcntl(line, libc::F_SETFD, libc::FD_CLOEXEC)).during("fcntl", "FD_CLOEXEC")?;
        OwnedFd::from_raw_fd(line)
    };
    at.answer(line);
    at.run_hooks()
}

/// See the solution.
pub fn create(order: &Order, states: &StateDir) -> Result<Made> {
    let Order { plan, config, oci, pid_file, .. } = order;
    let claim = states.claim(&plan.id)?;
    let note = |state: &State| write_whole(&claim.directory().join("state.json"), &state.to_json()?);
    let held = cgroup::make(plan, &claim)?;
    write_config(&claim, config)?;
    let materials = Materials::gather(order, &claim, held.as_ref().map(Held::group))?;
    let mut first = materials.fork(&claim)?;
    let mut state = order.state(first.pid());
    note(&state)?;
    first.back_to_own_pids()?;
    first.limit()?;
    let told = Told { oci, id: &plan.id, status: Status::Creating, pid: state.pid };
    let kinds = [("prestart", &plan.hooks.prestart), ("createRuntime", &plan.hooks.create_runtime)];
    first.lead_to_the_door(|| kinds.iter().try_for_each(|(kind, hooks)| hooks::run(hooks, kind, told)))?;
    state.oci = Some(Oci { made: true, ..oci.clone() });
    note(&state)?;
    match pid_file {
        Some(path) => write_whole(path, format!("{}", first.pid()).as_bytes())?,
        None => {}
    }
    let made = first.let_go();
    claim.keep();
    if let Some(held) = held {
        held.keep();
    }
    Ok(made)
}

/// See the solution.
pub fn start(id: &str, states: &StateDir) -> Result<Vec<Error>> {
    let (container, hold) = states.hold(id)?;
    match status(&container) {
        Status::Created => {}
        other => refuse(&container, "start", &format!("it is {other}, not created"))?,
    }
    // All that is read is read before: what fails here has changed nothing.
    let (oci, poststart) = (container.state.oci.clone().unwrap_or_default(), Hooks::from_spec(&container.config()?)?.poststart);
    door::knock(container.directory())?;
    let told = Told { oci: &oci, id, status: Status::Running, pid: container.state.pid };
    let mut failed = Vec::new();
    for hook in &poststart {
        let Err(error) = hooks::run(std::slice::from_ref(hook), "poststart", told) else { continue };
        if !oci.only_warns() {
            end(&container)?;
            return Err(error);
        }
        failed.push(error);
    }
    drop(hold);
    Ok(failed)
}

/// See the solution.
pub fn kill(id: &str, signal: i32, all: bool, states: &StateDir) -> Result<()> {
    let container = states.container(id)?;
    if all && (container.state.is_alive() || status(&container) == Status::Stopped) {
        return everybody(&container.cgroup()?, signal);
    }
    let first = match container.state.pid {
        0 => None,
        pid => pidfd::open(Pid::from_raw(pid))?,
    };
    // Whoever the descriptor is of: is it the one that was noted?
    let Some(first) = first.filter(|_| container.state.is_alive()) else {
        return refuse(&container, "kill", "container not running");
    };
    send(&first, signal)
}

fn everybody(group: &Cgroup, signal: i32) -> Result<()> {
    if signal == libc::SIGKILL {
        return group.kill();
    }
    for pid in group.tree_processes()? {
        pidfd::open(pid)?.iter().try_for_each(|process| send(process, signal))?;
    }
    Ok(())
}

fn send(process: &OwnedFd, signal: i32) -> Result<()> {
    // SAFETY: a descriptor that is open, two integers, and no siginfo.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, std::ptr::null::<u8>(), 0) };
    match Errno::result(sent) {
        Err(Errno::ESRCH) => Ok(()),
        sent => sent.map(drop).during("pidfd_send_signal", signal),
    }
}

/// Kills the first process, frozen or not, and waits for its end.
fn end(container: &Container) -> Result<()> {
    let state = &container.state;
    let first = if state.pid > 0 { pidfd::open(state.pid())? } else { None };
    let Some(first) = first.filter(|_| state.is_alive()) else { return Ok(()) };
    cgroup::thaw_for_the_end(container.cgroup().ok().as_ref());
    send(&first, libc::SIGKILL)?;
    if pidfd::wait(&first, Some(Duration::from_secs(10)))? { Ok(()) } else { Err(Errno::EBUSY).during("end", &state.id) }
}

/// See the solution.
pub fn delete(id: &str, force: bool, states: &StateDir) -> Result<Vec<Error>> {
    let (container, hold) = match states.hold(id) {
        Ok(found) => found,
        Err(error) if error.errno() == Some(Errno::ENOENT) && force => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let now = status(&container);
    if now != Status::Stopped && !force {
        refuse(&container, "delete", &format!("it is {now}, not stopped"))?;
    }
    let poststop = match container.config().map(|config| Hooks::from_spec(&config)) {
        Ok(Ok(hooks)) => hooks.poststop,
        _ => Vec::new(),
    };
    let oci = container.state.oci.clone().unwrap_or_default();
    end(&container)?;
    container.remove(hold, states, cpu::remove)?;
    Ok(hooks::run_all(&poststop, "poststop", Told { oci: &oci, id, status: Status::Stopped, pid: 0 }))
}
