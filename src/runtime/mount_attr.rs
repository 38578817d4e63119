//! mount_setattr(2), Linux 5.12, for what no lab asks of it.

#![allow(unsafe_code, reason = "nix has no mount_setattr")]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use model::plan::{Attributes, Spread};
use model::{During, Propagation, Result};
use nix::errno::Errno;
use nix::mount::MsFlags;

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

/// Changes the mount whose root `mount` is: its attributes, those of its whole tree, what it does with later mounts.
pub fn change(mount: BorrowedFd<'_>, top: Attributes, tree: Attributes, spread: &[Spread]) -> Result<()> {
    let attributes =
        |attributes: Attributes| libc::mount_attr { attr_set: attributes.set, attr_clr: attributes.clear, ..KEPT };
    let apply = |recursive: bool, attr: &libc::mount_attr| {
        let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
        set(mount.as_raw_fd(), c"", flags, attr).during("mount_setattr", format_args!("{attr:?}"))
    };
    if !top.is_empty() {
        apply(false, &attributes(top))?;
    }
    if !tree.is_empty() {
        apply(true, &attributes(tree))?;
    }
    for Spread { how, recursive } in spread {
        apply(*recursive, &libc::mount_attr { propagation: flag(*how).bits(), ..KEPT })?;
    }
    Ok(())
}

/// The flag by which a mount is made so.
pub fn flag(how: Propagation) -> MsFlags {
    match how {
        Propagation::Private => MsFlags::MS_PRIVATE,
        Propagation::Slave => MsFlags::MS_SLAVE,
        Propagation::Shared | Propagation::SharedSlave => MsFlags::MS_SHARED,
        Propagation::Unbindable => MsFlags::MS_UNBINDABLE,
    }
}
