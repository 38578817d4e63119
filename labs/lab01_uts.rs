//! Lab 01: a host name of one's own.
//!
//! The UTS namespace is the smallest there is: two strings. So it is where the one rule that all of them
//! share is seen best: first step aside, then change things.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use model::{During, Result};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

/// Moves the calling process into a new UTS namespace, which starts as a copy of the old one.
///
/// Needs CAP_SYS_ADMIN. Source: unshare(2), uts_namespaces(7).
///
/// # Errors
/// EPERM without the capability.
pub fn unshare_uts() -> Result<()> {
    todo!("lab 01, task 1: call unshare(2) with the flag of the UTS namespace")
}

/// Sets the host name of the UTS namespace that the caller is in, whoever else is in it too.
///
/// Needs CAP_SYS_ADMIN in the user namespace that owns it. Source: sethostname(2).
///
/// # Errors
/// A `name` longer than 64 bytes (`HOST_NAME_MAX`) is refused and never cut: the kernel says EINVAL, and an
/// error of your own will do as well. EPERM without the capability.
pub fn set_hostname(name: &str) -> Result<()> {
    todo!("lab 01, task 2: call sethostname(2), and let the kernel judge the length")
}

/// Sets the NIS domain name, the second string of the UTS namespace (`domainname(1)` shows it).
///
/// It has nothing to do with DNS. Source: setdomainname(2).
///
/// # Errors
/// As [`set_hostname`].
pub fn set_domainname(name: &str) -> Result<()> {
    todo!("lab 01, task 3: call setdomainname(2): neither std nor nix wraps it, libc has it")
}

/// Gives the caller a UTS namespace of its own, with these names in it; `None` keeps the copied one.
///
/// The host keeps its names.
///
/// # Errors
/// Those of the three steps.
pub fn enter(hostname: Option<&str>, domainname: Option<&str>) -> Result<()> {
    todo!("lab 01, task 4: put the three steps in the right order")
}
