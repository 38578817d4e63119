//! Lab 00 with libc alone: statx(2) for the number, opendir(3) for the processes.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::io::Error as IoError;

use model::{During, Error, Namespace, NsId, NsKind, Result};
use nix::errno::Errno;
use nix::unistd::Pid;

/// See the solution.
pub fn identity(pid: Pid, kind: NsKind) -> Result<NsId> {
    let file = format!("/proc/{pid}/ns/{kind}");
    match inode(&file) {
        Err(Errno::ENOENT) => match inode(&format!("/proc/{pid}")) {
            Err(Errno::ENOENT) => Err(Error::NoSuchProcess(pid)),
            _ => Err(Error::NoNamespace { pid, kind }),
        },
        answer => answer.map(NsId).during("statx", file),
    }
}

/// See the solution.
pub fn same(a: Pid, b: Pid, kind: NsKind) -> Result<bool> {
    identity(a, kind).and_then(|a| Ok(a == identity(b, kind)?))
}

/// See the solution.
pub fn list(kind: NsKind) -> Result<Vec<Namespace>> {
    let mut list: Vec<Namespace> = Vec::new();
    for pid in processes().during("opendir", "/proc")? {
        let Ok(id) = identity(pid, kind) else { continue };
        match list.binary_search_by_key(&id, |namespace| namespace.id) {
            Ok(at) => list[at].members.push(pid),
            Err(at) => list.insert(at, Namespace { id, members: vec![pid] }),
        }
    }
    Ok(list)
}

fn inode(path: &str) -> std::result::Result<u64, Errno> {
    let path = CString::new(path).expect("no NUL");
    // SAFETY: all zeroes is a valid statx, a struct of integers.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: a C string and a statx, both alive during the call.
    let status = unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, libc::STATX_INO, &mut found) };
    Errno::result(status).map(|_| found.stx_ino)
}

/// The PIDs in /proc, smallest first.
fn processes() -> std::result::Result<Vec<Pid>, IoError> {
    let mut pids = Vec::new();
    // SAFETY: a C string; the stream is closed below and used nowhere else.
    let stream = unsafe { libc::opendir(c"/proc".as_ptr()) };
    if stream.is_null() {
        return Err(IoError::last_os_error());
    }
    loop {
        // SAFETY: the stream is open, and the entry is read before the next call overwrites it.
        let entry = unsafe { libc::readdir(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: d_name is a C string inside the entry.
        let name = unsafe { CStr::from_ptr((*entry).d_name.as_ptr()) };
        pids.extend(name.to_str().ok().and_then(|name| name.parse().ok()).map(Pid::from_raw));
    }
    // SAFETY: opened above, closed once.
    unsafe { libc::closedir(stream) };
    pids.sort_unstable();
    Ok(pids)
}
