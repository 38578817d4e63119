//! The command and who runs it: `process` of the OCI configuration, understood and checked.

use std::ffi::CString;
use std::path::PathBuf;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process};

use crate::caps::{CapSet, CapSets};
use crate::error::{Error, Result};

/// A process's user and groups, by the numbers inside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The other groups.
    pub groups: Vec<u32>,
}

pub(super) fn args(process: &Process) -> Result<Vec<CString>> {
    let args = process.args().as_deref().unwrap_or_default();
    match args.first() {
        Some(command) if !command.is_empty() => args.iter().map(|arg| c_string("process.args", arg)).collect(),
        _ => Err(Error::invalid("process.args", args.join(" "), "a command that is not empty")),
    }
}

pub(super) fn env(process: &Process) -> Result<Vec<CString>> {
    let check = |pair: &String| match pair.split_once('=') {
        Some((name, _)) if !name.is_empty() => c_string("process.env (--env)", pair),
        _ => Err(Error::invalid("process.env (--env)", pair, "NAME=value")),
    };
    process.env().iter().flatten().map(check).collect()
}

pub(super) fn cwd(process: &Process) -> Result<PathBuf> {
    let cwd = process.cwd();
    c_string("process.cwd (--workdir)", &cwd.to_string_lossy())?;
    if cwd.is_absolute() {
        return Ok(cwd.clone());
    }
    Err(Error::invalid("process.cwd (--workdir)", cwd.to_string_lossy(), "an absolute path"))
}

pub(super) fn user(process: &Process) -> Result<User> {
    let user = process.user();
    let user = User { uid: user.uid(), gid: user.gid(), groups: user.additional_gids().clone().unwrap_or_default() };
    // To setresuid(2) the last number means that nothing changes: it would stay root.
    if [user.uid, user.gid].iter().chain(&user.groups).any(|id| *id == u32::MAX) {
        return Err(Error::invalid("process.user (--user)", u32::MAX.to_string(), "ids from 0 to 4294967294"));
    }
    Ok(user)
}

/// The five sets of an OCI configuration.
#[must_use]
pub fn caps(all: &LinuxCapabilities) -> CapSets {
    let set = |names: &Option<Capabilities>| {
        let named = |capability: &Capability| CapSet::named("process.capabilities", &capability.to_string()).ok();
        names.iter().flatten().filter_map(named).fold(CapSet::EMPTY, CapSet::or)
    };
    let (inheritable, permitted) = (set(all.inheritable()), set(all.permitted()));
    CapSets {
        inheritable,
        permitted,
        effective: set(all.effective()),
        bounding: set(all.bounding()),
        // No more can be raised (capabilities(7), "Thread capability sets"), and runc's own template asks for more.
        ambient: set(all.ambient()).and(inheritable).and(permitted),
    }
}

pub(super) fn oom_score_adj(process: &Process) -> Result<Option<i32>> {
    match process.oom_score_adj() {
        Some(score) if !(-1000..=1000).contains(&score) => {
            Err(Error::invalid("process.oomScoreAdj (--oom-score-adj)", score.to_string(), "-1000 to 1000"))
        }
        score => Ok(score),
    }
}

pub(super) fn c_string(what: &'static str, value: &str) -> Result<CString> {
    CString::new(value).or(Err(Error::invalid(what, value, "text without a NUL byte")))
}
