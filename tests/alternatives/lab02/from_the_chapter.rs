//! Lab 02 from the chapter alone: plain loops, and a queue that exists is never made again.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};

use model::{During, Error, Queue, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// See the solution.
pub fn unshare_ipc() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC).during("unshare", "CLONE_NEWIPC")
}

/// See the solution.
pub fn queues(table: &str) -> Result<Vec<Queue>> {
    let mut titles = Vec::new();
    let mut found = Vec::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        if titles.is_empty() {
            titles = cells;
            continue;
        }
        let wrong = || Error::invalid("/proc/sysvipc/msg", line, "a number in each column");
        let column = |title: &str| -> Result<&str> {
            let at = titles.iter().position(|other| *other == title).ok_or_else(wrong)?;
            cells.get(at).copied().ok_or_else(wrong)
        };
        found.push(Queue {
            key: column("key")?.parse().or(Err(wrong()))?,
            id: column("msqid")?.parse().or(Err(wrong()))?,
            mode: u32::from_str_radix(column("perms")?, 8).or(Err(wrong()))?,
            bytes: column("cbytes")?.parse().or(Err(wrong()))?,
            messages: column("qnum")?.parse().or(Err(wrong()))?,
        });
    }
    Ok(found)
}

/// See the solution.
pub fn open_posix_queue(name: &str) -> Result<OwnedFd> {
    let c_name = CString::new(name).map_err(std::io::Error::from).during("mq_open", name)?;
    let defaults: *mut libc::mq_attr = std::ptr::null_mut();
    // SAFETY: a C string that lives until the end of the function, a mode, and a null pointer for the defaults.
    let fd = unsafe { libc::mq_open(c_name.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600, defaults) };
    if fd < 0 {
        return Err(Errno::last()).during("mq_open", name);
    }
    // SAFETY: fd is a descriptor that mq_open has given us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// See the solution.
pub fn enter_with_queue(key: i32) -> Result<i32> {
    unshare_ipc()?;
    // SAFETY: two integers.
    let id = unsafe { libc::msgget(key, 0o600 | libc::IPC_CREAT | libc::IPC_EXCL) };
    if id == -1 { Err(Errno::last()).during("msgget", key) } else { Ok(id) }
}
