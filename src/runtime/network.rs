//! In place of lab 14 while it is not written: a network namespace with nothing in it but a loopback that is up.

#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use std::os::fd::AsRawFd;

use model::{During, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Moves the calling process into a network namespace of its own, and brings up its `lo`. Source: netdevice(7).
pub fn loopback_alone() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).during("unshare", "CLONE_NEWNET")?;
    let line =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).during("socket", "AF_INET")?;
    // SAFETY: an ifreq is plain old data, for which all zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the ioctl reads an ifreq, and gets a pointer to one.
    let status = unsafe { libc::ioctl(line.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(status).map(drop).during("ioctl SIOCSIFFLAGS", "lo")
}
