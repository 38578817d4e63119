//! Lab 10: root's power in pieces, and all but a few of them gone for good.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "capset, two of prctl's options and extended attributes have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::caps::{CapSet, CapSets, FileCaps};
use model::plan::User;
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// The version of capset(2) with 64 bits, as two halves. (Version 1 had 32, and was enough until 2008.)
const VERSION_3: u32 = 0x2008_0522;
/// The first word of `security.capability` is a version and this flag. Source: `<linux/capability.h>`.
const REVISION_2: u32 = 0x0200_0000;
/// Version 3 has the root user of a user namespace after the sets.
const REVISION_3: u32 = 0x0300_0000;
/// The file's permitted set is effective at once.
const FLAG_EFFECTIVE: u32 = 1;
/// The attribute's name.
const ATTRIBUTE: &CStr = c"security.capability";

/// The five sets of a thread, from `status`, the text of its `/proc/PID/status`.
///
/// Source: proc_pid_status(5), `CapInh` to `CapAmb`: 64 bits each, hexadecimal.
///
/// # Errors
/// [`Error::Invalid`] when one of them is missing, or is no such number.
pub fn read(status: &str) -> Result<CapSets> {
    todo!("lab 10, task 1: the lines CapInh: CapPrm: CapEff: CapBnd: CapAmb:, each a hexadecimal number")
}

/// Takes every capability that is not in `keep` out of the bounding set, for good: no program that is started from now
/// on can get it, set-user-ID root or not. Needs CAP_SETPCAP. Source: PR_CAPBSET_DROP(2const).
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn drop_bounding(keep: CapSet) -> Result<()> {
    todo!("lab 10, task 2: prctl(2) with PR_CAPBSET_DROP for each number from 0 that is not in keep, until the kernel knows no more (EINVAL)")
}

/// Gives the calling thread the inheritable, permitted and effective set of `sets`. Source: capset(2).
///
/// # Errors
/// EPERM for a capability that is not permitted so far, and for an effective one that is not to be permitted.
pub fn set(sets: &CapSets) -> Result<()> {
    todo!("lab 10, task 3: capset(2), VERSION_3, with two data structures: the lower 32 bits of each set, then the upper")
}

/// Makes `caps`, and no others, the ambient set: what a program that is started keeps, whoever starts it. They have to be
/// permitted and inheritable. Source: PR_CAP_AMBIENT(2const).
///
/// # Errors
/// EPERM for one that is not permitted, or not inheritable.
pub fn raise_ambient(caps: CapSet) -> Result<()> {
    todo!("lab 10, task 4: prctl(2) PR_CAP_AMBIENT: PR_CAP_AMBIENT_CLEAR_ALL, then PR_CAP_AMBIENT_RAISE for each")
}

/// Turns the calling thread, root so far, into `user` with the capabilities of `sets`: the last thing that takes power.
///
/// Where a user namespace denies setgroups(2), the groups stay, which is no failure for a `user` without other groups. Source:
/// user_namespaces(7), "The /proc/PID/setgroups file".
///
/// # Errors
/// EPERM without CAP_SETPCAP, CAP_SETUID and CAP_SETGID; EINVAL for an id that a user namespace does not map.
pub fn confine(sets: &CapSets, user: &User) -> Result<()> {
    todo!("lab 10, task 5: in an order that works: bounding set, keep capabilities (PR_SET_KEEPCAPS), groups, group, user, the three sets, ambient")
}

/// The capabilities of the file at `path`, not of one that a symbolic link there leads to; `None` when it has none, or its
/// file system knows of none.
///
/// The attribute holds numbers of 32 bits, lowest byte first: version and flag; the lower halves of permitted and
/// inheritable, then the upper ones; in version 3 the root user. Source: capabilities(7), "File capability extended
/// attribute versioning"; lgetxattr(2).
///
/// # Errors
/// [`Error::Invalid`] for an attribute of another version or length; what the kernel says.
pub fn file_caps(path: &Path) -> Result<Option<FileCaps>> {
    todo!("lab 10, task 6: lgetxattr(2) of ATTRIBUTE, ENODATA and EOPNOTSUPP are None; five words in REVISION_2, six in REVISION_3")
}

/// Gives the file at `path` capabilities. Whoever is root in a user namespace alone gives what counts there: the kernel
/// turns their version 2 into version 3. Source: capabilities(7); lsetxattr(2).
///
/// # Errors
/// EPERM without CAP_SETFCAP; EOPNOTSUPP for a file system without extended attributes.
pub fn set_file_caps(path: &Path, caps: &FileCaps) -> Result<()> {
    todo!("lab 10, task 7: the same words, lsetxattr(2)")
}

/// prctl(2) with two numbers. Given: what it is passed has to be as long as a register.
fn prctl(option: i32, first: u32, second: u32) -> nix::Result<()> {
    let long = libc::c_ulong::from;
    // SAFETY: the options that are used here take integers.
    Errno::result(unsafe { libc::prctl(option, long(first), long(second), long(0u32), long(0u32)) }).map(drop)
}

/// As the kernel takes it. Given.
fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).during("find", path.display())
}
