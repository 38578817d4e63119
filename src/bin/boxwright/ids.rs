//! Whose ids a container gets: the caller's own, with the ranges that the machine's administrator has given to them; or
//! somebody else's, when root says so.

use std::fs;
use std::path::Path;

use boxwright::runtime::userns::Userns;
use boxwright::steps::{userns, written};
use cli::{Run, Userns as Mode};
use model::ids::{IdMaps, IdRange};
use model::{During, Error, Result, borrowed_userns};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, User, access, getegid, geteuid};

/// The maps for a container with these flags; `None` when its ids are the host's.
pub fn choose(flags: &Run) -> Result<Option<IdMaps>> {
    let is_root = !borrowed_userns::is_needed();
    match (flags.userns, flags.userns_remap.as_deref(), is_root) {
        (Some(Mode::Host), Some(user), _) => {
            Err(Error::invalid("--userns-remap", user, "nothing together with --userns host"))
        }
        (Some(Mode::Host) | None, None, true) => Ok(None),
        (Some(Mode::Host), None, false) => {
            Err(Error::invalid("--userns", "host", "private: without root's powers a container needs ids of its own"))
        }
        (_, Some(user), true) => remap(user).map(Some),
        (Some(Mode::Private), None, true) => {
            let right = "with --userns-remap USER: root has to say whose ids it gives away";
            Err(Error::invalid("--userns", "private", right))
        }
        (_, Some(user), false) => {
            Err(Error::invalid("--userns-remap", user, "for root alone: everybody else gives away their own ids"))
        }
        (_, None, false) => own().map(Some),
    }
}

/// Somebody's subordinate ids from 0 on.
fn remap(name: &str) -> Result<IdMaps> {
    let user = User::from_name(name).during("getpwnam", name)?;
    let user = user.ok_or_else(|| Error::invalid("--userns-remap", name, "a user of this machine"))?;
    let map = |file| userns::container_map(None, &text(file)?, name, user.uid);
    Ok(IdMaps { uids: map("/etc/subuid")?, gids: map("/etc/subgid")? })
}

/// The caller as 0, and the caller's subordinate ids after it, where there are any to be had.
pub fn own() -> Result<IdMaps> {
    let (uid, gid) = (geteuid(), getegid());
    let only = |outside| vec![IdRange { inside: 0, outside, count: 1 }];
    let alone = IdMaps { uids: only(uid.as_raw()), gids: only(gid.as_raw()) };
    if !written(9) {
        return Ok(alone);
    }
    let name = User::from_uid(uid).during("getpwuid", uid)?.map_or_else(|| uid.to_string(), |user| user.name);
    let map = |file, own| userns::container_map(Some(own), &text(file)?, &name, uid);
    let maps = IdMaps { uids: map("/etc/subuid", uid.as_raw())?, gids: map("/etc/subgid", gid.as_raw())? };
    let why = match () {
        () if maps.uids.len() == 1 => format!("/etc/subuid has no line for {name}"),
        () if maps.gids.len() == 1 => format!("/etc/subgid has no line for {name}"),
        () if !has_helpers() => "there is no newuidmap (package uidmap)".to_owned(),
        () => return Ok(maps),
    };
    eprintln!("boxwright: {why}, so the container has one user and one group, root: nobody else can own a file there");
    Ok(alone)
}

fn text(file: &str) -> Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(String::new()),
        text => text.during("read", file),
    }
}

fn has_helpers() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program| std::env::split_paths(&path).any(|dir| access(&dir.join(program), AccessFlags::X_OK).is_ok());
    is_there("newuidmap") && is_there("newgidmap")
}

/// Removes what is in the directory of a container whose boxwright was killed, and belongs to its subordinate ids.
pub fn empty(directory: &Path) -> Result<()> {
    if !written(9) || !borrowed_userns::is_needed() {
        return Ok(());
    }
    Userns::new(&own()?)?.empty(directory)
}
