//! Lab 02 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

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
    unshare(CloneFlags::CLONE_NEWIPC).during("unshare", "CLONE_NEWIPC")
}

/// The System V message queues in `table`, the text of `/proc/sysvipc/msg`.
///
/// The first line names the columns. Kernels have added columns, so a column is found by its name
/// (`key`, `msqid`, `perms`, `cbytes`, `qnum`), never by its place. Source: proc_sysvipc(5).
///
/// # Errors
/// [`Error::Invalid`] when a column is missing or does not hold a number.
pub fn queues(table: &str) -> Result<Vec<Queue>> {
    const TABLE: &str = "/proc/sysvipc/msg";
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let place = |name: &str| {
        header
            .iter()
            .position(|title| *title == name)
            .ok_or_else(|| Error::invalid(TABLE, header.join(" "), "the columns key, msqid, perms, cbytes, qnum"))
    };
    let [key, id, perms, bytes, messages] =
        [place("key")?, place("msqid")?, place("perms")?, place("cbytes")?, place("qnum")?];

    let mut found = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or("");
        let refuse = |_| Error::invalid(TABLE, line, "a number in every column");
        found.push(Queue {
            key: cell(key).parse().map_err(refuse)?,
            id: cell(id).parse().map_err(refuse)?,
            mode: u32::from_str_radix(cell(perms), 8).map_err(refuse)?,
            bytes: cell(bytes).parse().map_err(refuse)?,
            messages: cell(messages).parse().map_err(refuse)?,
        });
    }
    Ok(found)
}

/// Opens the POSIX message queue `name` (it starts with a slash) for reading and writing, and makes it when
/// it is not there, with mode 0600.
///
/// The queue stays in the caller's IPC namespace until `mq_unlink`. Source: mq_open(3), mq_overview(7).
///
/// # Errors
/// EINVAL for a name without the leading slash, EACCES for a queue that is another user's, ENAMETOOLONG.
pub fn open_posix_queue(name: &str) -> Result<OwnedFd> {
    let Ok(c_name) = CString::new(name) else {
        return Err(Error::invalid("queue name", name, "no NUL in it"));
    };
    // SAFETY: the name ends with a NUL and outlives the call; with O_CREAT there are two more arguments, and
    // a null pointer asks for the default attributes.
    let fd = unsafe {
        libc::mq_open(
            c_name.as_ptr(),
            libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC,
            0o600 as libc::c_uint,
            ptr::null::<libc::mq_attr>(),
        )
    };
    let fd = Errno::result(fd).during("mq_open", name)?;
    // SAFETY: the kernel has just given it to us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts the caller into a new IPC namespace and makes there the System V message queue `key`, mode 0600;
/// returns its id. The host's namespace is left as it was.
///
/// Source: msgget(2).
///
/// # Errors
/// Those of [`unshare_ipc`]; EEXIST can not happen: the namespace is new.
pub fn enter_with_queue(key: i32) -> Result<i32> {
    unshare_ipc()?;
    // SAFETY: touches no memory of ours.
    let id = unsafe { libc::msgget(key, 0o600 | libc::IPC_CREAT | libc::IPC_EXCL) };
    Errno::result(id).during("msgget", format!("{key:#x}"))
}
