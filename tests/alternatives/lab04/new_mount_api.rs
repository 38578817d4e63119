//! Lab 04 with the mount calls of Linux 5.2 and 5.12: fsopen, fsconfig, fsmount, move_mount, mount_setattr; and the
//! child becomes a slave, as runc's default is, not private.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use model::{During, Error, Propagation, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, fork};

const NOSUID_NODEV_NOEXEC: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// See the solution.
pub fn unshare_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).during("unshare", "the mount namespace")
}

/// See the solution.
pub fn set_propagation(mount_point: &Path, propagation: Propagation) -> Result<()> {
    let path = CString::new(mount_point.as_os_str().as_bytes()).during("mount_setattr", mount_point.display())?;
    let change = |flag: libc::c_ulong| {
        // SAFETY: all zeroes is a valid mount_attr: nothing to change.
        let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
        attr.propagation = flag;
        // SAFETY: the path ends in NUL, and the kernel reads `size` bytes of the attributes; it keeps neither.
        let status = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::AT_RECURSIVE,
                &raw const attr,
                size_of_val(&attr),
            )
        };
        Errno::result(status).map(drop).during("mount_setattr", mount_point.display())
    };
    match propagation {
        Propagation::Private => change(libc::MS_PRIVATE),
        Propagation::Slave => change(libc::MS_SLAVE),
        Propagation::Shared => change(libc::MS_SHARED),
        Propagation::SharedSlave => [libc::MS_SLAVE, libc::MS_SHARED].into_iter().try_for_each(change),
        Propagation::Unbindable => change(libc::MS_UNBINDABLE),
    }
}

/// See the solution.
pub fn propagation(mountinfo: &str, mount_point: &Path) -> Result<Propagation> {
    let wanted = escape(mount_point.as_os_str().as_bytes());
    let mut parents = Vec::new();
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        // No path, source or option holds a bare space, so the first " - " is the separator.
        let Some((left, _)) = line.split_once(" - ") else { continue };
        let fields: Vec<&str> = left.split(' ').collect();
        if let [id, parent, _, _, point, _, tags @ ..] = fields.as_slice()
            && *point == wanted
        {
            parents.push(*parent);
            found.push((*id, tags.to_vec()));
        }
    }
    found.retain(|(id, _)| !parents.contains(id));
    let Some((_, tags)) = found.pop() else {
        return Err(Error::invalid("mount point", mount_point.display().to_string(), "it is in mountinfo"));
    };
    let peer = tags.iter().any(|tag| tag.starts_with("shared:"));
    let slave = tags.iter().any(|tag| tag.starts_with("master:"));
    Ok(if peer && slave {
        Propagation::SharedSlave
    } else if peer {
        Propagation::Shared
    } else if slave {
        Propagation::Slave
    } else if tags.contains(&"unbindable") {
        Propagation::Unbindable
    } else {
        Propagation::Private
    })
}

/// The other way round than the solution: the path as the kernel writes it.
fn escape(path: &[u8]) -> String {
    let mut bytes = Vec::new();
    for byte in path {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => bytes.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// See the solution.
pub fn mount_proc(target: &Path) -> Result<()> {
    new_mount(c"proc", target)
}

/// See the solution.
pub fn mount_mqueue(target: &Path) -> Result<()> {
    new_mount(c"mqueue", target)
}

/// See the solution. The parent goes first and comes back: it unshares, forks, and returns to its old namespace.
pub fn fork_with_proc() -> Result<ForkResult> {
    let home = std::fs::File::open("/proc/self/ns/mnt").during("open", "/proc/self/ns/mnt")?;
    let root = std::fs::File::open("/").during("open", "/")?;
    let cwd = std::fs::File::open(".").during("open", ".")?;
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS).during("unshare", "CLONE_NEWPID|CLONE_NEWNS")?;
    set_propagation(Path::new("/"), Propagation::Slave)?;
    // SAFETY: the callers have one thread.
    let forked = unsafe { fork() }.during("fork", "PID 1")?;
    match forked {
        ForkResult::Child => mount_proc(Path::new("/proc"))?,
        ForkResult::Parent { .. } => {
            // setns also moves root and working directory to the root of that namespace.
            setns(&home, CloneFlags::CLONE_NEWNS).during("setns", "the old mount namespace")?;
            nix::unistd::fchdir(&root).during("fchdir", "/")?;
            nix::unistd::chroot(".").during("chroot", "/")?;
            nix::unistd::fchdir(&cwd).during("fchdir", ".")?;
        }
    }
    Ok(forked)
}

fn new_mount(kind: &CStr, target: &Path) -> Result<()> {
    let path = CString::new(target.as_os_str().as_bytes()).during("move_mount", target.display())?;
    let what = kind.to_string_lossy();
    // SAFETY: the name is a C string, and the result is a new descriptor that nobody else owns.
    let context = unsafe { owned(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1)) }.during("fsopen", &what)?;
    let create = 6; // FSCONFIG_CMD_CREATE
    let (null, fd) = (ptr::null::<libc::c_char>(), context.as_raw_fd());
    // SAFETY: this command takes no key, no value, no number.
    let status = unsafe { libc::syscall(libc::SYS_fsconfig, fd, create, null, null, 0) };
    Errno::result(status).during("fsconfig", &what)?;
    // SAFETY: integers only, and a new descriptor.
    let mount =
        unsafe { owned(libc::syscall(libc::SYS_fsmount, fd, 1, NOSUID_NODEV_NOEXEC)) }.during("fsmount", &what)?;
    let from_empty_path = 4; // MOVE_MOUNT_F_EMPTY_PATH
    // SAFETY: both paths are C strings that live until the call returns.
    let status = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            from_empty_path,
        )
    };
    Errno::result(status).map(drop).during("move_mount", target.display())
}

/// # Safety
/// `result` is that of a call that returns a new descriptor, or -1.
unsafe fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = i32::try_from(Errno::result(result)?).expect("a descriptor");
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
