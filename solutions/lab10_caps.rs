//! Lab 10: root's power in pieces, and all but a few of them gone for good.

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
    // task 1: the lines CapInh: CapPrm: CapEff: CapBnd: CapAmb:, each a hexadecimal number
    let set = |name: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let bits = u64::from_str_radix(mask, 16).ok();
        let right = || format!("it has a line {name} and a hexadecimal number");
        bits.map(CapSet).ok_or_else(|| Error::invalid("/proc/PID/status", mask, right()))
    };
    Ok(CapSets {
        inheritable: set("CapInh:")?,
        permitted: set("CapPrm:")?,
        effective: set("CapEff:")?,
        bounding: set("CapBnd:")?,
        ambient: set("CapAmb:")?,
    })
    // end task
}

/// Takes every capability that is not in `keep` out of the bounding set, for good: no program that is started from now
/// on can get it, set-user-ID root or not. Needs CAP_SETPCAP. Source: PR_CAPBSET_DROP(2const).
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn drop_bounding(keep: CapSet) -> Result<()> {
    // task 2: prctl(2) with PR_CAPBSET_DROP for each number from 0 that is not in keep, until the kernel knows no more (EINVAL)
    for number in (0..u64::BITS).filter(|number| !keep.has(*number)) {
        match prctl(libc::PR_CAPBSET_DROP, number, 0) {
            // The kernel's last one is behind us, whatever it is called here.
            Err(Errno::EINVAL) => break,
            result => result.during("prctl PR_CAPBSET_DROP", number)?,
        }
    }
    Ok(())
    // end task
}

/// Gives the calling thread the inheritable, permitted and effective set of `sets`. Source: capset(2).
///
/// # Errors
/// EPERM for a capability that is not permitted so far, and for an effective one that is not to be permitted.
pub fn set(sets: &CapSets) -> Result<()> {
    // task 3: capset(2), VERSION_3, with two data structures: the lower 32 bits of each set, then the upper
    let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
    let header = (VERSION_3, 0i32); // 0 is the caller
    let data = [0, 32].map(|shift| {
        [half(sets.effective, shift), half(sets.permitted, shift), half(sets.inheritable, shift)]
    });
    // SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(status).map(drop).during("capset", format_args!("permitted {}", sets.permitted))
    // end task
}

/// Makes `caps`, and no others, the ambient set: what a program that is started keeps, whoever starts it. They have to be
/// permitted and inheritable. Source: PR_CAP_AMBIENT(2const).
///
/// # Errors
/// EPERM for one that is not permitted, or not inheritable.
pub fn raise_ambient(caps: CapSet) -> Result<()> {
    // task 4: prctl(2) PR_CAP_AMBIENT: PR_CAP_AMBIENT_CLEAR_ALL, then PR_CAP_AMBIENT_RAISE for each
    let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).during("prctl", "PR_CAP_AMBIENT_CLEAR_ALL")?;
    for number in caps.numbers() {
        ambient(libc::PR_CAP_AMBIENT_RAISE, number).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
    }
    Ok(())
    // end task
}

/// Turns the calling thread, root so far, into `user` with the capabilities of `sets`: the last thing that takes power.
///
/// Where a user namespace denies setgroups(2), the groups stay, which is no failure for a `user` without other groups. Source:
/// user_namespaces(7), "The /proc/PID/setgroups file".
///
/// # Errors
/// EPERM without CAP_SETPCAP, CAP_SETUID and CAP_SETGID; EINVAL for an id that a user namespace does not map.
pub fn confine(sets: &CapSets, user: &User) -> Result<()> {
    // task 5: in an order that works: bounding set, keep capabilities (PR_SET_KEEPCAPS), groups, group, user, the three sets, ambient
    // First, while CAP_SETPCAP is there.
    drop_bounding(sets.bounding)?;
    // Who changes from 0 to another user loses everything permitted, unless they said this.
    nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    // In a user namespace with "deny" nobody could drop any, and there are none to be had.
    let is_allowed = || fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "allow");
    match setgroups(&groups) {
        Err(Errno::EPERM) if groups.is_empty() && !is_allowed() => {}
        result => result.during("setgroups", format_args!("{groups:?}"))?,
    }
    // The group before the user, who may not change it any more.
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setresgid(gid, gid, gid).during("setresgid", gid)?;
    setresuid(uid, uid, uid).during("setresuid", uid)?;
    // After the change, which has emptied the effective set.
    set(sets)?;
    raise_ambient(sets.ambient)
    // end task
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
    // task 6: lgetxattr(2) of ATTRIBUTE, ENODATA and EOPNOTSUPP are None; five words in REVISION_2, six in REVISION_3
    // nothing: Ok(None)
    let mut bytes = [0; 24];
    let file = c_path(path)?;
    // SAFETY: two C strings, and a buffer of the length given; all outlive the call.
    let length = unsafe { libc::lgetxattr(file.as_ptr(), ATTRIBUTE.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
    let length = match Errno::result(length) {
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(None),
        length => length.during("lgetxattr", path.display())? as usize,
    };
    let word = |index: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[4 * index + byte]));
    let set = |lower: usize| CapSet(u64::from(word(lower)) | u64::from(word(lower + 2)) << 32);
    let root = match (word(0) & !FLAG_EFFECTIVE, length) {
        (REVISION_2, 20) => None,
        (REVISION_3, 24) => Some(word(5)),
        _ => return Err(Error::invalid("security.capability", path.to_string_lossy(), "one of version 2 or 3")),
    };
    Ok(Some(FileCaps { permitted: set(1), inheritable: set(2), effective: word(0) & FLAG_EFFECTIVE != 0, root }))
    // end task
}

/// Gives the file at `path` capabilities. Whoever is root in a user namespace alone gives what counts there: the kernel
/// turns their version 2 into version 3. Source: capabilities(7); lsetxattr(2).
///
/// # Errors
/// EPERM without CAP_SETFCAP; EOPNOTSUPP for a file system without extended attributes.
pub fn set_file_caps(path: &Path, caps: &FileCaps) -> Result<()> {
    // task 7: the same words, lsetxattr(2)
    let revision = if caps.root.is_some() { REVISION_3 } else { REVISION_2 };
    let (permitted, inheritable) = (caps.permitted.0, caps.inheritable.0);
    let mut words = vec![revision | if caps.effective { FLAG_EFFECTIVE } else { 0 }];
    words.extend([permitted as u32, inheritable as u32, (permitted >> 32) as u32, (inheritable >> 32) as u32]);
    words.extend(caps.root);
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let file = c_path(path)?;
    // SAFETY: two C strings, and a buffer of the length given; all outlive the call.
    let status = unsafe { libc::lsetxattr(file.as_ptr(), ATTRIBUTE.as_ptr(), bytes.as_ptr().cast(), bytes.len(), 0) };
    Errno::result(status).map(drop).during("lsetxattr", path.display())
    // end task
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
