//! Lab 02: message queues that nobody else can see.
//!
//! System V objects and POSIX message queues are not files in a directory: they live in the IPC namespace
//! of the process that makes them. A new namespace starts empty, and what it holds dies with it.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
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
    todo!("lab 02, task 1: call unshare(2) with the flag of the IPC namespace")
}

/// The System V message queues in `table`, the text of `/proc/sysvipc/msg`.
///
/// The first line names the columns. Kernels have added columns, so a column is found by its name
/// (`key`, `msqid`, `perms`, `cbytes`, `qnum`), never by its place. Source: proc_sysvipc(5).
///
/// # Errors
/// [`Error::Invalid`] when a column is missing or does not hold a number.
pub fn queues(table: &str) -> Result<Vec<Queue>> {
    todo!("lab 02, task 2: find the columns by the names in the first line, then read one queue from each line below")
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
    todo!("lab 02, task 3: call mq_open(3) with O_CREAT | O_RDWR | O_CLOEXEC, mode 0600 and no attributes; use libc, not nix")
}

/// Puts the caller into a new IPC namespace and makes there the System V message queue `key`, mode 0600;
/// returns its id. The host's namespace is left as it was.
///
/// Source: msgget(2).
///
/// # Errors
/// Those of [`unshare_ipc`]; EEXIST can not happen: the namespace is new.
pub fn enter_with_queue(key: i32) -> Result<i32> {
    todo!("lab 02, task 4: unshare(2) and msgget(2) with IPC_CREAT | IPC_EXCL | 0600; the order is the lesson")
}
