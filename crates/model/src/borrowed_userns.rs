//! Borrowed until lab 09: root's powers for somebody who is not root, by a user namespace with a single id.
//!
//! Lab 09 teaches what happens here, does it with whole ranges of ids, and takes this file's place.

use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::caps::CapSet;
use crate::error::{During, Error, Result};

/// Whether the calling process lacks CAP_SYS_ADMIN and so must [`enter`] before it can make namespaces.
#[must_use]
pub fn is_needed() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    CapSet(effective).and(CapSet::SYS_ADMIN) == CapSet::EMPTY
}

/// Moves the calling process into a new user namespace, where its user and group are 0 and it holds every
/// capability over the namespaces that it makes from then on. Files that it makes are still its user's.
///
/// The caller must have one thread. Source: user_namespaces(7).
///
/// # Errors
/// [`Error::Os`] with words on how to allow user namespaces, where this machine blocks them.
pub fn enter() -> Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(blocked)?;
    // Without "deny", the kernel refuses a gid_map to everybody who is not root outside: a dropped group can
    // be what keeps somebody out of a file.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    if is_confined_by_apparmor() { Err(blocked(Errno::EACCES)) } else { Ok(()) }
}

/// Ubuntu 24.04 lets everybody in, then denies every capability inside.
fn is_confined_by_apparmor() -> bool {
    fs::read_to_string("/proc/self/attr/current").is_ok_and(|label| label.starts_with("unprivileged_userns"))
}

fn blocked(errno: Errno) -> Error {
    let how = "CLONE_NEWUSER (user namespaces are blocked here: `cargo lab doctor` says how to allow them)";
    Err::<(), _>(errno).during("unshare", how).expect_err("it was made as one")
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).during("write", format_args!("{text:?} to {path}"))
}
