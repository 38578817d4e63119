//! System V message queues as `/proc/sysvipc/msg` lists them.

use std::fmt;

/// One line of `/proc/sysvipc/msg` (proc_sysvipc(5)): what `ipcs -q` shows of a queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The name that processes agree on, the `key` of msgget(2). Signed, as the kernel prints it.
    pub key: i32,
    /// The number that the kernel gave it, `msqid`.
    pub id: i32,
    /// Permission bits, read as octal: `0o644`.
    pub mode: u32,
    /// Bytes that wait in it, `cbytes`.
    pub bytes: u64,
    /// Messages that wait in it, `qnum`.
    pub messages: u64,
}

/// By hand, because permissions are read in octal.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("key", &self.key)
            .field("id", &self.id)
            .field("mode", &format_args!("{:#o}", self.mode))
            .field("bytes", &self.bytes)
            .field("messages", &self.messages)
            .finish()
    }
}
