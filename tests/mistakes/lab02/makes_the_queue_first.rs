//! "The queue is mine, so it comes along into my new namespace."
//!
//! task: 4
//! test: task4_the_queue_is_inside_and_the_host_has_none
//! says: the queue was made first

let id = unsafe { libc::msgget(key, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
let id = Errno::result(id).during("msgget", format_args!("key {key}"))?;
unshare_ipc()?;
Ok(id)
