//! Lab 02 by somebody who checks before asking the kernel, opens first and makes second, and reads the table
//! by slices of its header.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use model::{During, Error, Queue, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

const TITLES: [&str; 5] = ["key", "msqid", "perms", "cbytes", "qnum"];

/// See the solution.
pub fn unshare_ipc() -> Result<()> {
    unshare(CloneFlags::from_bits_retain(libc::CLONE_NEWIPC)).during("unshare", "the IPC namespace")
}

/// See the solution.
pub fn queues(table: &str) -> Result<Vec<Queue>> {
    let mut rows = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let header = rows.next().unwrap_or_default();
    let places: Vec<usize> = TITLES.iter().filter_map(|title| header.iter().position(|cell| cell == title)).collect();
    let [key, id, mode, bytes, messages] = places[..] else {
        return Err(Error::invalid("header", header.join(" "), "it names all five columns"));
    };
    let mut queues = Vec::new();
    for row in rows {
        if row.len() != header.len() {
            return Err(Error::invalid("row", row.join(" "), "it has as many cells as the header"));
        }
        queues.push(Queue {
            key: number(row[key])?,
            id: number(row[id])?,
            mode: match u32::from_str_radix(row[mode], 8) {
                Ok(mode) => mode,
                Err(_) => return Err(Error::invalid("permissions", row[mode], "octal digits")),
            },
            bytes: number(row[bytes])?,
            messages: number(row[messages])?,
        });
    }
    Ok(queues)
}

fn number<T: std::str::FromStr>(cell: &str) -> Result<T> {
    cell.parse().ok().ok_or_else(|| Error::invalid("cell", cell, "it is a number"))
}

/// See the solution.
pub fn open_posix_queue(name: &str) -> Result<OwnedFd> {
    match name.strip_prefix('/') {
        Some(rest) if !rest.is_empty() && rest.len() < 256 && !rest.contains(['/', '\0']) => {}
        _ => return Err(Error::invalid("queue name", name, "one slash, then 1 to 255 bytes without another")),
    }
    let c_name = CString::new(name).map_err(io::Error::from).during("mq_open", name)?;
    loop {
        // SAFETY: a C string; without O_CREAT there is no third argument.
        match Errno::result(unsafe { libc::mq_open(c_name.as_ptr(), libc::O_RDWR) }) {
            Err(Errno::ENOENT) => {}
            opened => return own(opened, name),
        }
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let attributes: *const libc::mq_attr = std::ptr::null();
        // SAFETY: as above, with the mode and the attributes that O_CREAT asks for.
        match Errno::result(unsafe { libc::mq_open(c_name.as_ptr(), flags, libc::S_IRUSR | libc::S_IWUSR, attributes) }) {
            Err(Errno::EEXIST) => {} // somebody was faster: open theirs
            made => return own(made, name),
        }
    }
}

fn own(queue: nix::Result<i32>, name: &str) -> Result<OwnedFd> {
    let queue = queue.during("mq_open", name)?;
    // SAFETY: mq_open(3) has this moment returned it, and on Linux it is a file descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
}

/// See the solution.
pub fn enter_with_queue(key: i32) -> Result<i32> {
    unshare_ipc()?;
    // SAFETY: msgget takes two integers.
    match unsafe { libc::msgget(key, 0o600 | libc::IPC_EXCL | libc::IPC_CREAT) } {
        -1 => Err(io::Error::last_os_error()).during("msgget", key),
        id => Ok(id),
    }
}
