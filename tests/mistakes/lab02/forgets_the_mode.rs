//! "IPC_CREAT and IPC_EXCL are all the flags there are."
//!
//! task: 4
//! test: task4_the_queue_is_inside_and_the_host_has_none
//! says: the mode is the low nine bits

unshare_ipc()?;
let id = unsafe { libc::msgget(key, libc::IPC_CREAT | libc::IPC_EXCL) };
Errno::result(id).during("msgget", format_args!("key {key}"))
