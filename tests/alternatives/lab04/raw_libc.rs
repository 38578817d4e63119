//! Lab 04 with the system calls themselves: mount(2) and clone3(2), no wrapper at all.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::{CString, c_ulong};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use model::{During, Error, Propagation, Result};
use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid};

/// See the solution.
pub fn unshare_mounts() -> Result<()> {
    // SAFETY: unshare takes an integer.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWNS) }).map(drop).during("unshare", "CLONE_NEWNS")
}

/// See the solution.
pub fn set_propagation(mount_point: &Path, propagation: Propagation) -> Result<()> {
    let change = |flag| raw_mount(None, mount_point, libc::MS_REC | flag);
    match propagation {
        Propagation::Private => change(libc::MS_PRIVATE),
        Propagation::Slave => change(libc::MS_SLAVE),
        Propagation::Shared => change(libc::MS_SHARED),
        Propagation::Unbindable => change(libc::MS_UNBINDABLE),
        Propagation::SharedSlave => change(libc::MS_SLAVE).and_then(|()| change(libc::MS_SHARED)),
    }
}

/// See the solution.
pub fn propagation(mountinfo: &str, mount_point: &Path) -> Result<Propagation> {
    // (mount ID, parent ID, tags) of each mount at the point.
    let mut here: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for line in mountinfo.split('\n') {
        let mut fields = line.split(' ');
        let (Some(id), Some(parent), Some(point)) = (fields.next(), fields.next(), fields.nth(2)) else { continue };
        if unescape(point) == mount_point.as_os_str().as_bytes() {
            here.push((id, parent, fields.skip(1).take_while(|field| *field != "-").collect()));
        }
    }
    // From the bottom of the stack to its top.
    let Some(mut on_top) = here.first() else {
        return Err(Error::invalid("mount point", mount_point.to_string_lossy(), "see /proc/self/mountinfo"));
    };
    while let Some(above) = here.iter().find(|(_, parent, _)| *parent == on_top.0) {
        on_top = above;
    }
    let mut seen = Propagation::Private;
    for tag in &on_top.2 {
        seen = match (seen, tag.split_once(':').map_or(*tag, |(name, _)| name)) {
            (Propagation::Slave, "shared") | (Propagation::Shared, "master") => Propagation::SharedSlave,
            (_, "shared") => Propagation::Shared,
            (_, "master") => Propagation::Slave,
            (_, "unbindable") => Propagation::Unbindable,
            (seen, _) => seen,
        };
    }
    Ok(seen)
}

fn unescape(field: &str) -> Vec<u8> {
    let mut parts = field.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (octal, rest) = part.split_at(3);
        bytes.push(octal.bytes().fold(0, |byte, digit| byte * 8 + (digit - b'0')));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// See the solution.
pub fn mount_proc(target: &Path) -> Result<()> {
    raw_mount(Some("proc"), target, libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)
}

/// See the solution.
pub fn mount_mqueue(target: &Path) -> Result<()> {
    raw_mount(Some("mqueue"), target, libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)
}

/// See the solution. One clone3(2): the child is born in both namespaces.
pub fn fork_with_proc() -> Result<ForkResult> {
    // SAFETY: all zeroes is a valid clone_args: no flags, no signal, the caller's stack.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (libc::CLONE_NEWPID | libc::CLONE_NEWNS) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has its own copy of the stack, as after fork(2); the callers have one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    match Errno::result(pid).during("clone3", "CLONE_NEWPID|CLONE_NEWNS")? {
        0 => {
            raw_mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE)?;
            mount_proc(Path::new("/proc"))?;
            Ok(ForkResult::Child)
        }
        pid => Ok(ForkResult::Parent { child: Pid::from_raw(i32::try_from(pid).expect("a PID")) }),
    }
}

fn raw_mount(kind: Option<&str>, target: &Path, flags: c_ulong) -> Result<()> {
    let path = CString::new(target.as_os_str().as_bytes()).during("mount", target.display())?;
    let kind = CString::new(kind.unwrap_or_default()).expect("no NUL in it");
    let kind = if kind.is_empty() { ptr::null() } else { kind.as_ptr() };
    // SAFETY: each pointer is null where mount(2) ignores it, or a C string that lives until the call returns.
    let status = unsafe { libc::mount(kind, path.as_ptr(), kind, flags, ptr::null()) };
    Errno::result(status).map(drop).during("mount", target.display())
}
