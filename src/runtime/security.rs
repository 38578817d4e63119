//! The steps that take power from the command. Nothing that needs any comes after them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use model::caps::{CapSet, CapSets};
use model::plan::seccomp::Policy;
use model::{During, Plan, Result};
use nix::errno::Errno;
use nix::unistd::Pid;
use serde_json::json;

use super::console::hand_over;
use super::handshake::ChildEnd;
use super::{proc, settings};
use crate::steps::{caps, pid, seccomp};

const STATUS: &str = "/proc/self/status";

/// What a filter, or Landlock, asks for without no_new_privs: it is given up after them.
fn needs_admin(plan: &Plan) -> bool {
    !plan.no_new_privs && (plan.seccomp.is_some() || !plan.landlock.is_empty())
}

/// Makes the calling process what the plan says that the command may be. `parent` is whose death it must not outlive, if anybody's.
pub fn give_up_power(plan: &Plan, parent: Option<&ChildEnd>) -> Result<()> {
    let kept = if needs_admin(plan) { CapSet::SYS_ADMIN } else { CapSet::EMPTY };
    if let Some(sets) = &plan.caps {
        // What cannot be granted is left out: OCI runtime-spec, config, "Linux Process".
        let own = settings::permitted()?;
        let permitted = sets.permitted.or(kept).and(own);
        let effective = sets.effective.or(kept).and(permitted);
        let (inheritable, bounding) = (sets.inheritable.and(own), sets.bounding);
        let ambient = sets.ambient.and(permitted).and(inheritable);
        caps::confine(&CapSets { permitted, effective, inheritable, bounding, ambient }, &plan.user)?;
        if let Some(parent) = parent {
            // Whoever changes the user takes this back.
            pid::die_with_parent()?;
            parent.is_there()?;
        }
    }
    label(plan)?;
    if plan.no_new_privs {
        seccomp::no_new_privs()?;
    }
    if !plan.landlock.is_empty() {
        // And devices: what is written to them is no file.
        let own = [Path::new("/dev").to_owned()];
        let directories: Vec<PathBuf> = plan.landlock.iter().chain(&own).cloned().collect();
        seccomp::write_only_below(&directories)?;
    }
    Ok(())
}

/// The last of it: the filter, after everything that it may refuse, and what was kept for it. `listener` is who answers for system
/// calls, and the PID that they know this process by.
pub fn filter_calls(plan: &Plan, listener: Option<(UnixStream, Pid)>) -> Result<()> {
    // An exec gives no more than the bounding set has, so it is an init alone that keeps what it keeps.
    let is_kept = needs_admin(plan);
    let status = (is_kept && plan.init).then(|| File::open(STATUS).during("open", STATUS)).transpose()?;
    if let Some(policy) = &plan.seccomp {
        filter(plan, policy, listener)?;
    }
    match &plan.caps {
        Some(sets) if is_kept => {
            caps::set(sets)?;
            status.map_or(Ok(()), |status| is_given_up(status, sets))
        }
        _ => Ok(()),
    }
}

/// Reads what the kernel says. From here on a filter answers for it: capset(2) may have returned 0 and not been made. A file that
/// was opened before has the kernel's text or none.
fn is_given_up(mut status: File, sets: &CapSets) -> Result<()> {
    // At once: the fewer calls are made here, the fewer a policy has to allow.
    let mut bytes = [0; 8192];
    let length = status.read(&mut bytes).during("read", STATUS)?;
    let kept = caps::read(&String::from_utf8_lossy(&bytes[..length]))?.permitted.without(sets.permitted);
    if kept == CapSet::EMPTY {
        return Ok(());
    }
    let why = format!("{} is still there: the filter answers in the kernel's place", kept.names().join(", "));
    Err(io::Error::other(why)).during("capset", "the init")
}

/// AppArmor's and SELinux's word for what the next exec makes of this process. Source: proc_pid_attr(5).
fn label(plan: &Plan) -> Result<()> {
    if let Some(profile) = &plan.apparmor {
        let text = format!("exec {profile}");
        match proc::write("self/attr/apparmor/exec", &text) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => proc::write("self/attr/exec", &text)?,
            result => result?,
        }
    }
    plan.selinux.as_ref().map_or(Ok(()), |label| proc::write("self/attr/exec", label))
}

fn filter(plan: &Plan, policy: &Policy, listener: Option<(UnixStream, Pid)>) -> Result<()> {
    let filter = seccomp::assemble(policy)?;
    let own = if listener.is_some() { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // Made before: afterwards nobody knows which calls there are.
    let told = listener.as_ref().map(|(_, pid)| state(plan, policy, *pid));
    let fd = seccomp::install(&filter, policy.flags | own)?;
    match (listener, fd, told) {
        (Some((socket, _)), Some(fd), Some(told)) => hand_over(&socket, &fd, told.as_bytes(), "the listener"),
        _ => Ok(()),
    }
}

/// The container process state of the OCI runtime specification, config-linux, "The Container Process State".
fn state(plan: &Plan, policy: &Policy, pid: Pid) -> String {
    let metadata = policy.listener.as_ref().map(|listener| listener.metadata.as_str()).unwrap_or_default();
    let bundle = plan.rootfs.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
    json!({
        "ociVersion": "1.2.0",
        "fds": ["seccompFd"],
        "pid": pid.as_raw(),
        "metadata": metadata,
        "state": {
            "ociVersion": "1.2.0", "id": plan.id, "status": "creating", "pid": pid.as_raw(), "bundle": bundle,
        },
    })
    .to_string()
}
