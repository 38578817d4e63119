//! The command and who runs it: `process` of the OCI configuration, understood and checked.

use std::ffi::CString;
use std::path::PathBuf;

use oci_spec::runtime::{
    Capabilities, Capability, LinuxCapabilities, LinuxPersonality, LinuxPersonalityDomain, PosixRlimitType, Process,
};

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

/// How much of something one process may have. Source: setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// `RLIMIT_…`.
    pub resource: u32,
    /// Its name.
    pub name: PosixRlimitType,
    /// What holds.
    pub soft: u64,
    /// What the process may raise it to.
    pub hard: u64,
}

pub(super) fn rlimits(process: &Process) -> Result<Vec<Rlimit>> {
    let mut all: Vec<Rlimit> = Vec::new();
    for given in process.rlimits().iter().flatten() {
        let (name, soft, hard) = (given.typ(), given.soft(), given.hard());
        if soft > hard {
            let value = format!("{name} soft {soft} hard {hard}");
            return Err(Error::invalid("process.rlimits", value, "a soft limit that is not above the hard one"));
        }
        if all.iter().any(|other| other.name == name) {
            return Err(Error::invalid("process.rlimits", name.to_string(), "each type once"));
        }
        all.push(Rlimit { resource: resource(name), name, soft, hard });
    }
    Ok(all)
}

fn resource(name: PosixRlimitType) -> u32 {
    match name {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

pub(super) fn umask(process: &Process) -> Result<Option<u32>> {
    match process.user().umask() {
        Some(umask) if umask > 0o777 => {
            Err(Error::invalid("process.user.umask", umask.to_string(), "0 to 511, which is 777 in octal digits"))
        }
        umask => Ok(umask),
    }
}

/// Rows and columns of the terminal; `None` for the caller's.
pub(super) fn console_size(process: &Process) -> Result<Option<(u16, u16)>> {
    let Some(size) = process.console_size().filter(|_| process.terminal() == Some(true)) else { return Ok(None) };
    match (u16::try_from(size.height()), u16::try_from(size.width())) {
        (Ok(height), Ok(width)) => Ok(Some((height, width))),
        _ => {
            let value = format!("{} x {}", size.height(), size.width());
            Err(Error::invalid("process.consoleSize", value, "0 to 65535 rows and columns"))
        }
    }
}

/// Source: personality(2).
pub(super) fn personality(given: &LinuxPersonality) -> Result<u64> {
    if let Some(flag) = given.flags().iter().flatten().next() {
        return Err(Error::invalid("linux.personality.flags", flag, "none: the specification has none so far"));
    }
    Ok(match given.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    })
}

pub(super) fn c_string(what: &'static str, value: &str) -> Result<CString> {
    CString::new(value).or(Err(Error::invalid(what, value, "text without a NUL byte")))
}
