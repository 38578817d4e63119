//! Lab 01 with the system calls themselves: no wrapper at all.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use model::{During, Result};
use nix::errno::Errno;

/// See the solution.
pub fn unshare_uts() -> Result<()> {
    // SAFETY: unshare takes an integer.
    Errno::result(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUTS) }).map(drop).during("unshare", "uts")
}

/// See the solution.
pub fn set_hostname(name: &str) -> Result<()> {
    // SAFETY: the kernel reads `len` bytes from the pointer and keeps neither.
    let status = unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.len()) };
    Errno::result(status).map(drop).during("sethostname", name)
}

/// See the solution.
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: as above.
    let status = unsafe { libc::syscall(libc::SYS_setdomainname, name.as_ptr(), name.len()) };
    Errno::result(status).map(drop).during("setdomainname", name)
}

/// See the solution.
pub fn enter(hostname: Option<&str>, domainname: Option<&str>) -> Result<()> {
    unshare_uts()?;
    if let Some(name) = domainname {
        set_domainname(name)?;
    }
    if let Some(name) = hostname {
        set_hostname(name)?;
    }
    Ok(())
}
