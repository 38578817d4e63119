//! mount_setattr(2), Linux 5.12, for what no lab asks of it.

#![allow(unsafe_code, reason = "nix has no mount_setattr")]

use std::ffi::CStr;
use std::os::fd::RawFd;

use nix::errno::Errno;

/// Nothing is changed: what is to be changed goes in its place.
pub const KEPT: libc::mount_attr = libc::mount_attr { attr_set: 0, attr_clr: 0, propagation: 0, userns_fd: 0 };

/// Changes the mount at `path`, which is looked up below `directory` as the `flags` (AT_…) say.
pub fn set(directory: RawFd, path: &CStr, flags: i32, attr: &libc::mount_attr) -> nix::Result<()> {
    // SAFETY: a C string and a mount_attr of the size given; both outlive the call.
    let status = unsafe {
        let size = size_of::<libc::mount_attr>();
        libc::syscall(libc::SYS_mount_setattr, directory, path.as_ptr(), flags, std::ptr::from_ref(attr), size)
    };
    Errno::result(status).map(drop)
}
