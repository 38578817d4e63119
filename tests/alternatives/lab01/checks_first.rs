//! Lab 01 by somebody who checks before asking the kernel, and names the domain first.
//!
//! alternative: whole file

use model::{During, Error, Result};
use nix::sched::{CloneFlags, unshare};

/// See the solution.
pub fn unshare_uts() -> Result<()> {
    unshare(CloneFlags::from_bits_retain(libc::CLONE_NEWUTS)).during("unshare", "the UTS namespace")
}

/// See the solution.
pub fn set_hostname(name: &str) -> Result<()> {
    fits(name)?;
    nix::unistd::sethostname(name).during("sethostname", name)
}

/// See the solution.
#[allow(unsafe_code, reason = "nix has no setdomainname")]
pub fn set_domainname(name: &str) -> Result<()> {
    fits(name)?;
    // SAFETY: the kernel reads `len` bytes from the pointer and keeps neither.
    match unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).during("setdomainname", name),
    }
}

/// See the solution.
pub fn enter(hostname: Option<&str>, domainname: Option<&str>) -> Result<()> {
    for name in [hostname, domainname].into_iter().flatten() {
        fits(name)?;
    }
    unshare_uts()?;
    if let Some(domainname) = domainname {
        set_domainname(domainname)?;
    }
    hostname.into_iter().try_for_each(set_hostname)
}

fn fits(name: &str) -> Result<()> {
    match name.len() {
        0..=64 => Ok(()),
        _ => Err(Error::invalid("name", name, "it has at most 64 bytes")),
    }
}
