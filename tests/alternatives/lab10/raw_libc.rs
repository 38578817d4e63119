//! Lab 10 with system calls alone: what is gone from the bounding set is not dropped again, the capabilities are kept by a
//! securebit, and an attribute has all the room it could want.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{CString, c_long, c_ulong};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use model::caps::{CapSet, CapSets, FileCaps};
use model::plan::User;
use model::{During, Error, Result};

/// Source: `<linux/securebits.h>`.
const SECBIT_KEEP_CAPS: c_ulong = 1 << 4;

/// See the solution.
pub fn read(status: &str) -> Result<CapSets> {
    let mut found: [Option<u64>; 5] = [None; 5];
    for line in status.lines() {
        let Some((name, mask)) = line.split_once(':') else { continue };
        let place = match name {
            "CapInh" => 0,
            "CapPrm" => 1,
            "CapEff" => 2,
            "CapBnd" => 3,
            "CapAmb" => 4,
            _ => continue,
        };
        let bits = u64::from_str_radix(mask.trim(), 16);
        found[place] = Some(bits.or(Err(Error::invalid("/proc/PID/status", line, "a hexadecimal number")))?);
    }
    match found {
        [Some(inheritable), Some(permitted), Some(effective), Some(bounding), Some(ambient)] => Ok(CapSets {
            inheritable: CapSet(inheritable),
            permitted: CapSet(permitted),
            effective: CapSet(effective),
            bounding: CapSet(bounding),
            ambient: CapSet(ambient),
        }),
        _ => Err(Error::invalid("/proc/PID/status", "", "with five lines of capabilities")),
    }
}

/// See the solution.
pub fn drop_bounding(keep: CapSet) -> Result<()> {
    let mut number = 0;
    // -1 is EINVAL: there is no such capability.
    while let is_there @ 0.. = prctl(libc::PR_CAPBSET_READ, number, 0) {
        if is_there == 1 && keep.0 >> number & 1 == 0 {
            status(prctl(libc::PR_CAPBSET_DROP, number, 0)).during("prctl PR_CAPBSET_DROP", number)?;
        }
        number += 1;
    }
    Ok(())
}

/// See the solution.
pub fn set(sets: &CapSets) -> Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mut data = [Data::default(), Data::default()];
    for number in 0..64 {
        let (data, bit) = (&mut data[number / 32], 1 << (number % 32));
        let has = |set: CapSet| if set.0 >> number & 1 == 1 { bit } else { 0 };
        data.effective |= has(sets.effective);
        data.permitted |= has(sets.permitted);
        data.inheritable |= has(sets.inheritable);
    }
    // SAFETY: a header and two data structures of version 3, which outlive the call.
    let result = unsafe {
        let header = Header { version: 0x2008_0522, pid: libc::gettid() };
        status(libc::syscall(libc::SYS_capset, &raw const header, &raw const data))
    };
    result.during("capset", "the calling thread")
}

/// See the solution.
pub fn raise_ambient(caps: CapSet) -> Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as c_ulong;
    status(prctl(libc::PR_CAP_AMBIENT, clear, 0)).during("prctl PR_CAP_AMBIENT_CLEAR_ALL", "")?;
    let mut left = caps.0;
    while left != 0 {
        let number = left.trailing_zeros();
        let raise = libc::PR_CAP_AMBIENT_RAISE as c_ulong;
        status(prctl(libc::PR_CAP_AMBIENT, raise, number.into())).during("prctl PR_CAP_AMBIENT_RAISE", number)?;
        left &= left - 1;
    }
    Ok(())
}

/// Whether the user namespace lets nobody change groups.
fn is_denied() -> bool {
    std::fs::read("/proc/self/setgroups").is_ok_and(|word| word.starts_with(b"deny"))
}

/// See the solution.
pub fn confine(sets: &CapSets, user: &User) -> Result<()> {
    let bits = prctl(libc::PR_GET_SECUREBITS, 0, 0) as c_ulong;
    status(prctl(libc::PR_SET_SECUREBITS, bits | SECBIT_KEEP_CAPS, 0)).during("prctl PR_SET_SECUREBITS", "")?;
    drop_bounding(sets.bounding)?;
    // SAFETY: a list of the length given, which outlives the call; the others take integers.
    unsafe {
        let none = user.groups.is_empty();
        match status(libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr())) {
            Err(error) if none && error.raw_os_error() == Some(libc::EPERM) && is_denied() => {}
            result => result.during("setgroups", user.groups.len())?,
        }
        status(libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid)).during("setresgid", user.gid)?;
        status(libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid)).during("setresuid", user.uid)?;
    }
    set(sets)?;
    raise_ambient(sets.ambient)
}

/// See the solution.
pub fn file_caps(path: &Path) -> Result<Option<FileCaps>> {
    let mut bytes = [0_u8; 4096];
    let file = c_path(path)?;
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let length = unsafe {
        libc::lgetxattr(file.as_ptr(), c"security.capability".as_ptr(), bytes.as_mut_ptr().cast(), bytes.len())
    };
    if length < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENODATA | libc::EOPNOTSUPP) => Ok(None),
            _ => Err(error).during("lgetxattr", path.display()),
        };
    }
    let refused = || Error::invalid("security.capability", path.to_string_lossy(), "one of version 2 or 3");
    let words: Vec<u64> = bytes[..length as usize]
        .chunks(4)
        .map(|word| word.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        .collect();
    let [head, permitted, inheritable, upper_permitted, upper_inheritable, ref rest @ ..] = words[..] else {
        return Err(refused());
    };
    let root = match (head >> 24, rest) {
        (2, []) => None,
        (3, [root]) => Some(*root as u32),
        _ => return Err(refused()),
    };
    Ok(Some(FileCaps {
        permitted: CapSet(upper_permitted << 32 | permitted),
        inheritable: CapSet(upper_inheritable << 32 | inheritable),
        effective: head & 1 == 1,
        root,
    }))
}

/// See the solution.
pub fn set_file_caps(path: &Path, caps: &FileCaps) -> Result<()> {
    let mut bytes = Vec::with_capacity(24);
    bytes.extend([u8::from(caps.effective), 0, 0, if caps.root.is_some() { 3 } else { 2 }]);
    for half in [0..4, 4..8] {
        for set in [caps.permitted, caps.inheritable] {
            bytes.extend(&set.0.to_le_bytes()[half.clone()]);
        }
    }
    bytes.extend(caps.root.iter().flat_map(|root| root.to_le_bytes()));
    let (file, name) = (c_path(path)?, c"security.capability");
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let result = unsafe {
        let bytes = (bytes.as_ptr(), bytes.len());
        status(libc::syscall(libc::SYS_lsetxattr, file.as_ptr(), name.as_ptr(), bytes.0, bytes.1, 0))
    };
    result.during("lsetxattr", path.display())
}

fn prctl(option: i32, first: c_ulong, second: c_ulong) -> i32 {
    // SAFETY: the options that are used here take integers.
    unsafe { libc::prctl(option, first, second, 0 as c_ulong, 0 as c_ulong) }
}

fn status(result: impl Into<c_long>) -> io::Result<()> {
    if result.into() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).during("find", path.display())
}
