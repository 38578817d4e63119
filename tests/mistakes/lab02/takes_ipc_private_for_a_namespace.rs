//! "IPC_PRIVATE: that must be the private queue of the exercise."
//!
//! task: 4
//! test: task4_the_queue_is_inside_and_the_host_has_none
//! says: IPC_PRIVATE is no key but the lack of one

unshare_ipc()?;
let id = unsafe { libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
Errno::result(id).during("msgget", format_args!("key {key}"))
