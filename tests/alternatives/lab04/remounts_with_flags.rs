//! Lab 04 by a learner with the chapter and the starter alone: one step after the other, where another takes them at once.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::{During, Error, Propagation, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, fork};

/// See the solution.
pub fn unshare_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).during("unshare", "mounts")
}

/// See the solution.
pub fn set_propagation(mount_point: &Path, propagation: Propagation) -> Result<()> {
    let flag = match propagation {
        Propagation::Private => MsFlags::MS_PRIVATE,
        Propagation::Slave => MsFlags::MS_SLAVE,
        Propagation::Shared => MsFlags::MS_SHARED,
        Propagation::Unbindable => MsFlags::MS_UNBINDABLE,
        Propagation::SharedSlave => {
            set_propagation(mount_point, Propagation::Slave)?;
            return set_propagation(mount_point, Propagation::Shared);
        }
    };
    // The words are ignored; mount(8) passes "none" too.
    mount(Some("none"), mount_point, Some("none"), flag | MsFlags::MS_REC, Some(""))
        .during("mount", mount_point.display())
}

/// See the solution.
pub fn propagation(mountinfo: &str, mount_point: &Path) -> Result<Propagation> {
    // The tags of each mount at the point, by the ID of the mount that it is mounted on.
    let mut by_parent: HashMap<&str, (&str, Vec<&str>)> = HashMap::new();
    for line in mountinfo.lines() {
        let (mount, _file_system) = split_at_separator(line);
        let [id, parent, _device, _root, point, _options, tags @ ..] = mount.as_slice() else { continue };
        if unescape(point) == mount_point.as_os_str().as_bytes() {
            by_parent.insert(parent, (id, tags.to_vec()));
        }
    }
    let on_top = by_parent.values().find(|(id, _)| !by_parent.contains_key(id));
    let Some((_, tags)) = on_top else {
        return Err(Error::invalid("path", mount_point.display().to_string(), "a mount point"));
    };
    let mut found = Propagation::Private;
    for tag in tags {
        let (name, _peers) = tag.split_once(':').unwrap_or((tag, ""));
        found = match name {
            "shared" if found == Propagation::Slave => Propagation::SharedSlave,
            "shared" => Propagation::Shared,
            "master" if found == Propagation::Shared => Propagation::SharedSlave,
            "master" => Propagation::Slave,
            "unbindable" => Propagation::Unbindable,
            _ => found,
        };
    }
    Ok(found)
}

fn split_at_separator(line: &str) -> (Vec<&str>, Vec<&str>) {
    let mut fields = line.split(' ');
    (fields.by_ref().take_while(|field| *field != "-").collect(), fields.collect())
}

/// In the order that makes `\134040` a backslash and three digits: the backslash last.
fn unescape(field: &str) -> Vec<u8> {
    let mut plain = field.to_owned();
    for (written, real) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n")] {
        plain = plain.replace(written, real);
    }
    plain.replace("\\134", "\\").into_bytes()
}

/// See the solution.
pub fn mount_proc(target: &Path) -> Result<()> {
    mount_with_flags("proc", target)
}

/// See the solution.
pub fn mount_mqueue(target: &Path) -> Result<()> {
    mount_with_flags("mqueue", target)
}

/// Mounts first, and changes the flags of that mount afterwards; without them it shall not stay.
fn mount_with_flags(kind: &str, target: &Path) -> Result<()> {
    mount(None::<&str>, target, Some(kind), MsFlags::empty(), None::<&str>).during("mount", target.display())?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let change = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags;
    mount(None::<&str>, target, None::<&str>, change, None::<&str>).during("remount", target.display()).inspect_err(
        |_| {
            let _ = umount2(target, MntFlags::MNT_DETACH);
        },
    )
}

/// See the solution.
pub fn fork_with_proc() -> Result<ForkResult> {
    unshare(CloneFlags::CLONE_NEWPID).during("unshare", "PIDs")?;
    // SAFETY: the callers have one thread.
    match unsafe { fork() }.during("fork", "a child")? {
        ForkResult::Parent { child } => Ok(ForkResult::Parent { child }),
        ForkResult::Child => {
            unshare_mounts()?;
            // Slaves first: nothing gets out from here on, whatever the next step takes.
            set_propagation(Path::new("/"), Propagation::Slave)?;
            set_propagation(Path::new("/"), Propagation::Private)?;
            mount_proc(Path::new("/proc")).map(|()| ForkResult::Child)
        }
    }
}
