//! "First see whether the key is free, then step aside and do it properly."
//!
//! task: 4
//! test: task4_the_queue_is_inside_and_the_host_has_none
//! says: a second queue was left behind on the host

let flags = libc::IPC_CREAT | 0o600;
Errno::result(unsafe { libc::msgget(key, flags) }).during("msgget", format_args!("key {key}"))?;
unshare_ipc()?;
let id = unsafe { libc::msgget(key, flags | libc::IPC_EXCL) };
Errno::result(id).during("msgget", format_args!("key {key}"))
