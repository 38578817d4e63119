//! Lab 10 the other way round: the user is changed first, and what is permitted still made effective again for the rest; the
//! kernel's last number is read from /proc; ambient capabilities are lowered one by one; a file is opened, and its
//! attribute asked for its length.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "capget, capset, prctl and extended attributes have no safe wrapper")]

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use model::caps::{CapSet, CapSets, FileCaps};
use model::plan::User;
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// Effective, permitted, inheritable: lower halves, then upper ones.
type Words = [[u32; 3]; 2];

/// See the solution.
pub fn read(status: &str) -> Result<CapSets> {
    let lines: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(":\t")).collect();
    let set = |name: &str| {
        let mask = lines.get(name).copied().unwrap_or("nothing");
        let refused = |_| Error::invalid("/proc/PID/status", mask, format!("a mask for {name}"));
        u64::from_str_radix(mask.trim_end(), 16).map(CapSet).or_else(|error| Err(refused(error)))
    };
    let [inheritable, permitted, effective] = ["CapInh", "CapPrm", "CapEff"].map(set);
    let (inheritable, permitted, effective) = (inheritable?, permitted?, effective?);
    Ok(CapSets { inheritable, permitted, effective, bounding: set("CapBnd")?, ambient: set("CapAmb")? })
}

/// See the solution.
pub fn drop_bounding(keep: CapSet) -> Result<()> {
    let path = "/proc/sys/kernel/cap_last_cap";
    let text = fs::read_to_string(path).during("read", path)?;
    let last: u32 = text.trim().parse().map_err(io::Error::other).during("read", path)?;
    for number in (0..=last).rev().filter(|number| !keep.has(*number)) {
        prctl(libc::PR_CAPBSET_DROP, number, 0).during("prctl PR_CAPBSET_DROP", number)?;
    }
    Ok(())
}

/// See the solution.
pub fn set(sets: &CapSets) -> Result<()> {
    let mut words = get()?;
    for (index, half) in words.iter_mut().enumerate() {
        *half = [sets.effective, sets.permitted, sets.inheritable].map(|set| (set.0 >> (32 * index)) as u32);
    }
    put(&words)
}

/// See the solution.
pub fn raise_ambient(caps: CapSet) -> Result<()> {
    let ambient = |what: i32, number| prctl(libc::PR_CAP_AMBIENT, what.cast_unsigned(), number);
    for number in 0..u64::BITS {
        let step = if caps.has(number) { libc::PR_CAP_AMBIENT_RAISE } else { libc::PR_CAP_AMBIENT_LOWER };
        match ambient(step, number) {
            Err(Errno::EINVAL) if !caps.has(number) => break,
            result => result.during("prctl PR_CAP_AMBIENT", number)?,
        };
    }
    Ok(())
}

/// See the solution.
pub fn confine(sets: &CapSets, user: &User) -> Result<()> {
    nix::sys::prctl::set_keepcaps(true).during("prctl", "PR_SET_KEEPCAPS")?;
    let may_change = fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "allow");
    if may_change || !user.groups.is_empty() {
        let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        setgroups(&groups).during("setgroups", groups.len())?;
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setresgid(gid, gid, gid).during("setresgid", gid)?;
    setresuid(uid, uid, uid).during("setresuid", uid)?;
    // Effective as before, for what is left to do.
    put(&get()?.map(|[_, permitted, inheritable]| [permitted, permitted, inheritable]))?;
    // While CAP_SETPCAP is there: what is inheritable now need not have been.
    drop_bounding(sets.bounding)?;
    set(sets)?;
    raise_ambient(sets.ambient)
}

/// See the solution.
pub fn file_caps(path: &Path) -> Result<Option<FileCaps>> {
    let path_as_c = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).during("find", path.display())?;
    let get = |bytes: &mut [u8]| {
        // SAFETY: two C strings and a buffer of the length given, which outlive the call.
        Errno::result(unsafe {
            let name = c"security.capability".as_ptr();
            libc::lgetxattr(path_as_c.as_ptr(), name, bytes.as_mut_ptr().cast(), bytes.len())
        })
    };
    // Without a buffer it says how long it is.
    let length = match get(&mut []) {
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(None),
        length => length.during("lgetxattr", path.display())? as usize,
    };
    let mut bytes = vec![0; length];
    get(&mut bytes).during("lgetxattr", path.display())?;
    let words: Vec<u32> = bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let set = |lower: u32, upper: u32| CapSet(u64::from(lower) + (u64::from(upper) << 32));
    let (effective, permitted, inheritable, root) = match words[..] {
        [0x0200_0000 | 0x0200_0001, p, i, q, j] => (words[0] & 1 == 1, set(p, q), set(i, j), None),
        [0x0300_0000 | 0x0300_0001, p, i, q, j, root] => (words[0] & 1 == 1, set(p, q), set(i, j), Some(root)),
        _ => return Err(Error::invalid("security.capability", path.to_string_lossy(), "of version 2 or 3")),
    };
    Ok(Some(FileCaps { permitted, inheritable, effective, root }))
}

/// See the solution.
pub fn set_file_caps(path: &Path, caps: &FileCaps) -> Result<()> {
    let version = if caps.root.is_some() { 0x0300_0000 } else { 0x0200_0000 };
    let mut words = vec![version + u32::from(caps.effective)];
    let halves = [0, 32].map(|shift| [caps.permitted, caps.inheritable].map(|set| (set.0 >> shift) as u32));
    words.extend(halves.as_flattened());
    words.extend(caps.root);
    // A link is named, not followed.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path);
    let file = file.during("open", path.display())?;
    let is_link = file.metadata().during("stat", path.display())?.is_symlink();
    let place = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(io::Error::from);
    let place = place.during("find", path.display())?;
    if is_link {
        return Err(Errno::ELOOP).during("setxattr", path.display());
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let status = unsafe {
        let name = c"security.capability".as_ptr();
        libc::setxattr(place.as_ptr(), name, bytes.as_ptr().cast(), bytes.len(), 0)
    };
    Errno::result(status).map(drop).during("setxattr", path.display())
}

fn get() -> Result<Words> {
    let (header, mut words) = ([0x2008_0522_u32, 0], Words::default());
    // SAFETY: a header and room for two times three numbers, which outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), words.as_mut_ptr()) };
    Errno::result(status).map(|_| words).during("capget", "the calling thread")
}

fn put(words: &Words) -> Result<()> {
    let header = [0x2008_0522_u32, 0];
    // SAFETY: a header and two times three numbers, which outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), words.as_ptr()) };
    Errno::result(status).map(drop).during("capset", "the calling thread")
}

fn prctl(option: i32, first: u32, second: u32) -> nix::Result<()> {
    let long = libc::c_ulong::from;
    // SAFETY: the options that are used here take integers.
    Errno::result(unsafe { libc::prctl(option, long(first), long(second), long(0u32), long(0u32)) }).map(drop)
}
