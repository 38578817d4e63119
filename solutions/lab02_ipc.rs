//! Lab 02: message queues that nobody else can see.
//!
//! System V objects and POSIX message queues are not files in a directory: they live in the IPC namespace
//! of the process that makes them. A new namespace starts empty, and what it holds dies with it.

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use model::{During, Error, Queue, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// Moves the calling process into a new IPC namespace, which is empty.
///
/// Needs CAP_SYS_ADMIN. Source: unshare(2), ipc_namespaces(7).
///
/// # Errors
/// EPERM without the capability.
pub fn unshare_ipc() -> Result<()> {
    // task 1: call unshare(2) with the flag of the IPC namespace
    unshare(CloneFlags::CLONE_NEWIPC).during("unshare", "CLONE_NEWIPC")
    // end task
}

/// The System V message queues in `table`, the text of `/proc/sysvipc/msg`.
///
/// The first line names the columns. Kernels have added columns, so a column is found by its name
/// (`key`, `msqid`, `perms`, `cbytes`, `qnum`), never by its place. Source: proc_sysvipc(5).
///
/// # Errors
/// [`Error::Invalid`] when a column is missing or does not hold a number.
pub fn queues(table: &str) -> Result<Vec<Queue>> {
    // task 2: find the columns by the names in the first line, then read one queue from each line below
    let invalid = |line: &str| Error::invalid("/proc/sysvipc/msg", line, "it has columns key msqid perms cbytes qnum");
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let column = |name: &str| header.iter().position(|title| *title == name);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let cell = |name: &str| column(name).and_then(|at| cells.get(at)).copied();
            let queue = || {
                Some(Queue {
                    key: cell("key")?.parse().ok()?,
                    id: cell("msqid")?.parse().ok()?,
                    mode: u32::from_str_radix(cell("perms")?, 8).ok()?,
                    bytes: cell("cbytes")?.parse().ok()?,
                    messages: cell("qnum")?.parse().ok()?,
                })
            };
            queue().ok_or_else(|| invalid(line))
        })
        .collect()
    // end task
}

/// Opens the POSIX message queue `name` (it starts with a slash) for reading and writing, and makes it when
/// it is not there, with mode 0600.
///
/// The queue stays in the caller's IPC namespace until `mq_unlink`. Source: mq_open(3), mq_overview(7).
///
/// # Errors
/// EINVAL for a name without the leading slash, EACCES for a queue that is another user's, ENAMETOOLONG; a name with a NUL in it,
/// which no C string can hold. The -1 of a refusal is no descriptor: an `OwnedFd` made from it panics.
pub fn open_posix_queue(name: &str) -> Result<OwnedFd> {
    // task 3: call mq_open(3) with O_CREAT | O_RDWR | O_CLOEXEC, mode 0600 and no attributes; use libc, not nix
    // nothing: Ok(std::fs::File::open("/dev/null").during("open", "/dev/null")?.into())
    let c_name = CString::new(name).map_err(std::io::Error::from).during("mq_open", name)?;
    let flags = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
    let (mode, default_attributes) = (0o600 as libc::mode_t, ptr::null::<libc::mq_attr>());
    // Not nix's mq_open: when it is given no attributes it leaves the mode out too, and C takes what happens to
    // lie in the registers.
    // SAFETY: a C string that outlives the call, and, as O_CREAT asks for, a mode and a pointer that may be null.
    let queue = unsafe { libc::mq_open(c_name.as_ptr(), flags, mode, default_attributes) };
    Errno::result(queue).during("mq_open", name)?;
    // SAFETY: on Linux a queue descriptor is a file descriptor (mq_overview(7)); this one is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
    // end task
}

/// Puts the caller into a new IPC namespace and makes there the System V message queue `key`, mode 0600;
/// returns its id. The host's namespace is left as it was.
///
/// Source: msgget(2).
///
/// # Errors
/// Those of [`unshare_ipc`]; EEXIST can not happen: the namespace is new.
pub fn enter_with_queue(key: i32) -> Result<i32> {
    // task 4: unshare(2) and msgget(2) with IPC_CREAT | IPC_EXCL | 0600; the order is the lesson
    // A queue made before the unshare stays behind on the host: objects do not move with their maker.
    unshare_ipc()?;
    // SAFETY: msgget takes two integers and touches no memory of ours.
    let id = unsafe { libc::msgget(key, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
    Errno::result(id).during("msgget", format_args!("key {key}"))
    // end task
}
