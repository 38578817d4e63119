//! Lab 10 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "the calls are libc's")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::caps::{CapSet, CapSets, FileCaps};
use model::plan::User;
use model::{During, Error, Result};
use nix::errno::Errno;

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
    let mut found = BTreeMap::new();
    for line in status.lines() {
        if let Some((name, value)) = line.split_once(':') {
            found.insert(name, value.trim());
        }
    }
    let set = |name: &'static str| {
        let value = found.get(name).copied().unwrap_or_default();
        u64::from_str_radix(value, 16).map(CapSet).map_err(|_why| Error::invalid(name, value, "16 hexadecimal digits"))
    };
    Ok(CapSets {
        inheritable: set("CapInh")?,
        permitted: set("CapPrm")?,
        effective: set("CapEff")?,
        bounding: set("CapBnd")?,
        ambient: set("CapAmb")?,
    })
}

/// Takes every capability that is not in `keep` out of the bounding set, for good: no program that is started from now
/// on can get it, set-user-ID root or not. Needs CAP_SETPCAP. Source: PR_CAPBSET_DROP(2const).
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn drop_bounding(keep: CapSet) -> Result<()> {
    // PR_CAPBSET_READ asks whether it is still in the set, and is EINVAL past the last one.
    for number in 0.. {
        match prctl(libc::PR_CAPBSET_READ, number, 0) {
            Ok(false) => {}
            Ok(true) if keep.has(number) => {}
            Ok(true) => drop(prctl(libc::PR_CAPBSET_DROP, number, 0).during("prctl PR_CAPBSET_DROP", number)?),
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(errno).during("prctl PR_CAPBSET_READ", number),
        }
    }
    Ok(())
}

/// Gives the calling thread the inheritable, permitted and effective set of `sets`. Source: capset(2).
///
/// # Errors
/// EPERM for a capability that is not permitted so far, and for an effective one that is not to be permitted.
pub fn set(sets: &CapSets) -> Result<()> {
    let mut head = Head { version: VERSION_3, pid: 0 };
    let half = |shift: u32| {
        let part = |set: CapSet| (set.0 >> shift) as u32;
        Half { effective: part(sets.effective), permitted: part(sets.permitted), inheritable: part(sets.inheritable) }
    };
    let halves = [half(0), half(32)];
    // SAFETY: the two structures of capset(2), and for version 3 the second one twice. Both outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_capset, &raw mut head, halves.as_ptr()) };
    Errno::result(status).map(drop).during("capset", format_args!("permitted {}", sets.permitted))
}

/// Makes `caps`, and no others, the ambient set: what a program that is started keeps, whoever starts it. They have to be
/// permitted and inheritable. Source: PR_CAP_AMBIENT(2const).
///
/// # Errors
/// EPERM for one that is not permitted, or not inheritable.
pub fn raise_ambient(caps: CapSet) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u32, 0)
        .during("prctl PR_CAP_AMBIENT", "CLEAR_ALL")?;
    for number in caps.numbers() {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u32, number)
            .during("prctl PR_CAP_AMBIENT_RAISE", number)?;
    }
    Ok(())
}

/// Turns the calling thread, root so far, into `user` with the capabilities of `sets`: the last thing that takes power.
///
/// # Errors
/// EPERM without CAP_SETPCAP, CAP_SETUID and CAP_SETGID; EINVAL for an id that a user namespace does not map.
pub fn confine(sets: &CapSets, user: &User) -> Result<()> {
    drop_bounding(sets.bounding)?;
    prctl(libc::PR_SET_KEEPCAPS, 1, 0).during("prctl", "PR_SET_KEEPCAPS")?;
    let User { uid, gid, groups } = user;
    // SAFETY: as many groups as there are behind the pointer.
    let status = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
    match Errno::result(status) {
        // Denied in this user namespace, whatever we have: nobody can drop any.
        Err(Errno::EPERM) if groups.is_empty() && is_denied()? => {}
        other => drop(other.during("setgroups", format_args!("{groups:?}"))?),
    }
    // SAFETY: three numbers each.
    Errno::result(unsafe { libc::setresgid(*gid, *gid, *gid) }).during("setresgid", gid)?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::setresuid(*uid, *uid, *uid) }).during("setresuid", uid)?;
    set(sets)?;
    raise_ambient(sets.ambient)
}

/// What user_namespaces(7) says of groups.
fn is_denied() -> Result<bool> {
    let path = "/proc/self/setgroups";
    std::fs::read_to_string(path).map(|word| word.trim_end() == "deny").during("read", path)
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
    let name = c_path(path)?;
    // One more than there may be, so that what is too long is seen.
    let mut value = [0_u8; 64];
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let length = unsafe { libc::lgetxattr(name.as_ptr(), ATTRIBUTE.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    let length = match Errno::result(length) {
        Ok(length) => length as usize,
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(None),
        Err(errno) => return Err(errno).during("lgetxattr", path.display()),
    };
    let value = &value[..length];
    let words: Vec<u32> = value.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
    let whole = |low: u32, high: u32| CapSet(u64::from(low) | u64::from(high) << 32);
    let revision = |word: u32| word & 0xff00_0000;
    let (head, sets, root) = match *words.as_slice() {
        [head, a, b, c, d] if revision(head) == REVISION_2 => (head, [a, b, c, d], None),
        [head, a, b, c, d, root] if revision(head) == REVISION_3 => (head, [a, b, c, d], Some(root)),
        _ => {
            return Err(Error::invalid("security.capability", format!("{value:02x?}"), "version 2 or 3"));
        }
    };
    let [permitted, inheritable, permitted_high, inheritable_high] = sets;
    Ok(Some(FileCaps {
        permitted: whole(permitted, permitted_high),
        inheritable: whole(inheritable, inheritable_high),
        effective: head & FLAG_EFFECTIVE != 0,
        root,
    }))
}

/// Gives the file at `path` capabilities. Whoever is root in a user namespace alone gives what counts there: the kernel
/// turns their version 2 into version 3. Source: capabilities(7); lsetxattr(2).
///
/// # Errors
/// EPERM without CAP_SETFCAP; EOPNOTSUPP for a file system without extended attributes.
pub fn set_file_caps(path: &Path, caps: &FileCaps) -> Result<()> {
    let FileCaps { permitted, inheritable, effective, root } = *caps;
    let revision = if root.is_some() { REVISION_3 } else { REVISION_2 };
    let mut value = Vec::with_capacity(24);
    let mut put = |word: u32| value.extend_from_slice(&word.to_le_bytes());
    put(revision | if effective { FLAG_EFFECTIVE } else { 0 });
    for shift in [0, 32] {
        put((permitted.0 >> shift) as u32);
        put((inheritable.0 >> shift) as u32);
    }
    root.into_iter().for_each(put);
    let name = c_path(path)?;
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let status = unsafe { libc::lsetxattr(name.as_ptr(), ATTRIBUTE.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(status).map(drop).during("lsetxattr", path.display())
}

/// prctl(2) with two numbers; whether its answer is 1.
fn prctl(option: i32, first: u32, second: u32) -> nix::Result<bool> {
    let long = libc::c_ulong::from;
    // SAFETY: the options that are used here take integers.
    let answer = unsafe { libc::prctl(option, long(first), long(second), long(0u32), long(0u32)) };
    Errno::result(answer).map(|answer| answer == 1)
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Head {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[repr(C)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// As the kernel takes it. Given.
fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).during("find", path.display())
}
