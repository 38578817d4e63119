//! "IPC_EXCL makes it mine alone."
//!
//! task: 4
//! test: task4_the_queue_is_inside_and_the_host_has_none
//! says: the caller never left the host's IPC namespace

let id = unsafe { libc::msgget(key, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
Errno::result(id).during("msgget", format_args!("key {key}"))
