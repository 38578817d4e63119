//! Lab 01 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use model::{During, Result};
use nix::sched::{CloneFlags, unshare};

/// Moves the calling process into a new UTS namespace, which starts as a copy of the old one.
///
/// Needs CAP_SYS_ADMIN. Source: unshare(2), uts_namespaces(7).
///
/// # Errors
/// EPERM without the capability.
pub fn unshare_uts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS).during("unshare", "CLONE_NEWUTS")
}

/// Sets the host name of the UTS namespace that the caller is in, whoever else is in it too.
///
/// Needs CAP_SYS_ADMIN in the user namespace that owns it. Source: sethostname(2).
///
/// # Errors
/// EINVAL when `name` is longer than 64 bytes (`HOST_NAME_MAX`); the name is never cut. EPERM without
/// the capability.
pub fn set_hostname(name: &str) -> Result<()> {
    // SAFETY: the kernel reads `len` bytes from the slice during the call, and `name` outlives it.
    let answer = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    nix::errno::Errno::result(answer).during("sethostname", name)?;
    Ok(())
}

/// Sets the NIS domain name, the second string of the UTS namespace (`domainname(1)` shows it).
///
/// It has nothing to do with DNS. Source: setdomainname(2).
///
/// # Errors
/// As [`set_hostname`].
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: as above; the system call itself, which takes a pointer and a length.
    match unsafe { libc::syscall(libc::SYS_setdomainname, name.as_ptr(), name.len()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).during("setdomainname", name),
    }
}

/// Gives the caller a UTS namespace of its own, with these names in it; `None` keeps the copied one.
///
/// The host keeps its names.
///
/// # Errors
/// Those of the three steps.
pub fn enter(hostname: Option<&str>, domainname: Option<&str>) -> Result<()> {
    unshare_uts()?;
    // The order of the two is free.
    domainname.map(set_domainname).transpose()?;
    hostname.map(set_hostname).transpose()?;
    Ok(())
}
