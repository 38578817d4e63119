//! Namespaces as `/proc/PID/ns` names them.

use std::fmt;

use nix::libc;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// As `<linux/sched.h>` has it (Linux 5.6).
const CLONE_NEWTIME: libc::c_int = 0x80;

/// The kinds of namespace, one for each file in `/proc/PID/ns` (namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NsKind {
    /// cgroup_namespaces(7): which cgroup looks like the root of the tree.
    Cgroup,
    /// ipc_namespaces(7): System V objects and POSIX message queues.
    Ipc,
    /// mount_namespaces(7): the list of mounts.
    Mnt,
    /// network_namespaces(7): interfaces, addresses, routes, ports.
    Net,
    /// pid_namespaces(7): the process numbers that this process lives by.
    Pid,
    /// The PID namespace that its children will be born into, which `unshare(2)` may have changed.
    PidForChildren,
    /// time_namespaces(7): offsets of the monotonic and the boot clock.
    Time,
    /// The time namespace that its children will be born into.
    TimeForChildren,
    /// user_namespaces(7): user and group ids, capabilities.
    User,
    /// uts_namespaces(7): host name and domain name.
    Uts,
}

impl NsKind {
    /// Every kind, in the order in which `ls /proc/self/ns` lists the files.
    pub const ALL: [NsKind; 10] = [
        NsKind::Cgroup,
        NsKind::Ipc,
        NsKind::Mnt,
        NsKind::Net,
        NsKind::Pid,
        NsKind::PidForChildren,
        NsKind::Time,
        NsKind::TimeForChildren,
        NsKind::User,
        NsKind::Uts,
    ];

    /// The name of the file in `/proc/PID/ns`.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            NsKind::Cgroup => "cgroup",
            NsKind::Ipc => "ipc",
            NsKind::Mnt => "mnt",
            NsKind::Net => "net",
            NsKind::Pid => "pid",
            NsKind::PidForChildren => "pid_for_children",
            NsKind::Time => "time",
            NsKind::TimeForChildren => "time_for_children",
            NsKind::User => "user",
            NsKind::Uts => "uts",
        }
    }

    /// The flag that unshare(2) and setns(2) know it by. A process gets into a new one of the kinds "for children" by that of the
    /// kind itself.
    #[must_use]
    pub const fn clone_flag(self) -> CloneFlags {
        CloneFlags::from_bits_retain(match self {
            NsKind::Cgroup => libc::CLONE_NEWCGROUP,
            NsKind::Ipc => libc::CLONE_NEWIPC,
            NsKind::Mnt => libc::CLONE_NEWNS,
            NsKind::Net => libc::CLONE_NEWNET,
            NsKind::Pid | NsKind::PidForChildren => libc::CLONE_NEWPID,
            NsKind::Time | NsKind::TimeForChildren => CLONE_NEWTIME,
            NsKind::User => libc::CLONE_NEWUSER,
            NsKind::Uts => libc::CLONE_NEWUTS,
        })
    }
}

impl fmt::Display for NsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.file_name())
    }
}

/// The identity of a namespace: the inode number that `stat` and `readlink` of `/proc/PID/ns/*` both show,
/// as in `uts:[4026531838]`. Two processes share a namespace exactly when these are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NsId(pub u64);

impl fmt::Display for NsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// A namespace and the processes that live in it: one line of `lsns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Which one.
    pub id: NsId,
    /// Its member processes, smallest PID first.
    pub members: Vec<Pid>,
}
