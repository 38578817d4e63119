//! Lab 02 with the system calls themselves. The kernel's mq_open takes the name without its slash.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};

use model::{During, Error, Queue, Result};
use nix::errno::Errno;

/// See the solution.
pub fn unshare_ipc() -> Result<()> {
    // SAFETY: unshare takes an integer.
    Errno::result(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWIPC) }).map(drop).during("unshare", "ipc")
}

/// See the solution.
pub fn queues(table: &str) -> Result<Vec<Queue>> {
    let refuse = |line: &str| Error::invalid("message queue table", line, "a number in each known column");
    let Some((titles, rows)) = table.split_once('\n') else { return Ok(Vec::new()) };
    let mut list = Vec::new();
    for row in rows.lines() {
        let cells: HashMap<&str, &str> = titles.split_whitespace().zip(row.split_whitespace()).collect();
        let number = |title: &str, radix: u32| {
            let cell = cells.get(title).ok_or_else(|| refuse(row))?;
            i64::from_str_radix(cell, radix).ok().ok_or_else(|| refuse(row))
        };
        list.push(Queue {
            key: number("key", 10)? as i32,
            id: number("msqid", 10)? as i32,
            mode: number("perms", 8)? as u32,
            bytes: number("cbytes", 10)? as u64,
            messages: number("qnum", 10)? as u64,
        });
    }
    Ok(list)
}

/// See the solution.
pub fn open_posix_queue(name: &str) -> Result<OwnedFd> {
    let bare = name.strip_prefix('/').ok_or(Errno::EINVAL).during("mq_open", name)?;
    let bare = CString::new(bare).map_err(std::io::Error::from).during("mq_open", name)?;
    let flags = libc::O_CREAT | libc::O_RDWR;
    // SAFETY: a C string that outlives the call, and no attributes.
    let fd = unsafe { libc::syscall(libc::SYS_mq_open, bare.as_ptr(), flags, 0o600, std::ptr::null::<libc::mq_attr>()) };
    let fd = Errno::result(fd).during("mq_open", name)?;
    // SAFETY: the kernel has this moment given us the descriptor, close-on-exec as every queue's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// See the solution.
pub fn enter_with_queue(key: i32) -> Result<i32> {
    unshare_ipc()?;
    // SAFETY: msgget takes two integers.
    let id = unsafe { libc::syscall(libc::SYS_msgget, key, libc::IPC_CREAT | 0o600) };
    Errno::result(id).map(|id| id as i32).during("msgget", key)
}
