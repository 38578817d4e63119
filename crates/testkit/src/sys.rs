//! System calls that nix does not wrap yet.
#![allow(unsafe_code, reason = "nix has no pidfd_open, close_range, mount_setattr, fsopen, landlock_create_ruleset")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::c_long;
use nix::errno::Errno;
use nix::unistd::Pid;

/// The descriptor that a system call has returned, or its error.
///
/// # Safety
/// It is new and nobody else's.
pub unsafe fn opened(returned: c_long) -> nix::Result<OwnedFd> {
    // SAFETY: the caller's.
    Errno::result(returned).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A descriptor that becomes readable when the child `pid` ends. Source: pidfd_open(2).
pub fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers; the descriptor it returns is new and nobody else's.
    Ok(unsafe { opened(libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0)) }?)
}

/// Sends SIGKILL to the process behind a pidfd; ESRCH once it was waited for. Source: pidfd_send_signal(2).
pub fn pidfd_kill(pidfd: &OwnedFd) -> io::Result<()> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open, and a null siginfo asks for what kill(2) would send.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, nothing, 0) })?;
    Ok(())
}

/// Closes every descriptor from 3 up but `keep`. Source: close_range(2).
///
/// For the child of a fork alone, where nothing of the parent is used any more.
pub fn close_all_but(keep: BorrowedFd<'_>) -> io::Result<()> {
    let keep = keep.as_raw_fd() as u32;
    for (first, last) in [(3, keep.saturating_sub(1)), ((keep + 1).max(3), u32::MAX)] {
        if first <= last {
            // SAFETY: the caller is a fresh child that owns no descriptor but `keep`.
            Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
    }
    Ok(())
}

/// Makes the mount at `path` read-only or writable, and with `recursive` all below it, in one call.
/// Source: mount_setattr(2), Linux 5.12.
pub fn set_read_only(path: &Path, read_only: bool, recursive: bool) -> io::Result<()> {
    let mut attr = libc::mount_attr { attr_set: 0, attr_clr: 0, propagation: 0, userns_fd: 0 };
    *if read_only { &mut attr.attr_set } else { &mut attr.attr_clr } = libc::MOUNT_ATTR_RDONLY;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and `attr` a mount_attr of the size given; both outlive the call.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// A proc of the caller's PID namespace, new and mounted nowhere. Source: fsopen(2), fsmount(2), Linux 5.2.
pub fn detached_proc() -> io::Result<OwnedFd> {
    const FSCONFIG_CMD_CREATE: u32 = 6;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: the name is a C string; the descriptor that fsopen returns is new and nobody else's.
    let context = unsafe { opened(libc::syscall(libc::SYS_fsopen, c"proc".as_ptr(), libc::FSOPEN_CLOEXEC)) }?;
    // SAFETY: the descriptor is open; this command takes neither key nor value.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, nothing, nothing, 0)
    })?;
    // SAFETY: the descriptor is open; the one that fsmount returns is new and nobody else's.
    Ok(unsafe { opened(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), libc::FSMOUNT_CLOEXEC, 0)) }?)
}

/// What the kernel's Landlock knows, as a version; nothing when it has none, or has it switched off.
/// Source: landlock_create_ruleset(2).
pub fn landlock_abi() -> Option<i64> {
    const VERSION: u32 = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with LANDLOCK_CREATE_RULESET_VERSION, the call takes a null pointer and the size 0, and returns a number.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) }).ok()
}

/// Gives up every capability of the calling process, for good: from here on it may do what an ordinary user may.
///
/// # Panics
/// When the kernel refuses, which it has no reason to.
pub fn drop_capabilities() {
    /// Source: capget(2): version 3 has two 32-bit words for each set.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let nothing = [[0_u32; 3]; 2];
    // SAFETY: a header and two data words of the layout that version 3 asks for, alive during the call.
    let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, nothing.as_ptr()) };
    Errno::result(status).expect("capset");
}
