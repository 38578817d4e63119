//! What the kernel is told about the container's namespaces: `linux.sysctl` and `linux.timeOffsets`, understood and checked.

use std::collections::HashMap;
use std::hash::BuildHasher;

use oci_spec::runtime::{LinuxNamespaceType, LinuxTimeOffset};

use crate::error::{Error, Result};

/// A file below `/proc/sys` and what is to be written to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// `net/ipv4/ip_forward`.
    pub path: String,
    /// The text.
    pub value: String,
}

/// How far a clock of the container is ahead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    /// Seconds, to which the other are added.
    pub secs: i64,
    /// Less than a second.
    pub nanosecs: u32,
}

/// The System V limits below `kernel`, which are an IPC namespace's.
const OF_IPC: [&str; 8] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];

/// Those of `given` that are the container's own, which `has` tells of a kind of namespace. One of the host's is refused.
pub(super) fn sysctls<S: BuildHasher>(
    given: &HashMap<String, String, S>,
    has: impl Fn(LinuxNamespaceType) -> bool,
) -> Result<Vec<Sysctl>> {
    let sysctl = |(name, value): (&String, &String)| {
        let path = path(name);
        let invalid = |right: &'static str| Err(Error::invalid("linux.sysctl", name, right));
        let is_plain = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !is_plain || path.contains('\0') {
            return invalid("a name such as net.ipv4.ip_forward");
        }
        let (kind, right) = match path.split_once('/') {
            Some(("net", _)) => (LinuxNamespaceType::Network, "of the host, unless there is a network namespace"),
            Some(("user", _)) => (LinuxNamespaceType::User, "of the host, unless there is a user namespace"),
            Some(("fs", rest)) if rest.starts_with("mqueue/") => {
                (LinuxNamespaceType::Ipc, "of the host, unless there is an IPC namespace")
            }
            Some(("kernel", name)) if OF_IPC.contains(&name) => {
                (LinuxNamespaceType::Ipc, "of the host, unless there is an IPC namespace")
            }
            Some(("kernel", "domainname")) => (LinuxNamespaceType::Uts, "of the host, unless there is a UTS namespace"),
            Some(("kernel", "hostname")) => return invalid("set by the field hostname"),
            _ => {
                return invalid(
                    "one that is a namespace's: net.*, fs.mqueue.*, user.*, kernel.shm*, kernel.msg*, kernel.sem",
                );
            }
        };
        if !has(kind) {
            return invalid(right);
        }
        Ok(Sysctl { path, value: value.clone() })
    };
    let mut all: Vec<Sysctl> = given.iter().map(sysctl).collect::<Result<_>>()?;
    // A map has no order, and a start is to be like any other.
    all.sort();
    Ok(all)
}

/// `net.ipv4.conf.eth0/1.forwarding` and `net/ipv4/conf/eth0.1/forwarding` name the same: what stands first separates.
/// Source: sysctl(8).
fn path(name: &str) -> String {
    if name.find(['.', '/']).is_some_and(|at| name.as_bytes()[at] == b'/') {
        return name.into();
    }
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    name.chars().map(swap).collect()
}

/// Source: time_namespaces(7), "/proc/PID/timens_offsets".
pub(super) fn time_offsets<S: BuildHasher>(given: &HashMap<String, LinuxTimeOffset, S>) -> Result<Vec<TimeOffset>> {
    let offset = |(clock, offset): (&String, &LinuxTimeOffset)| {
        let nanosecs = offset.nanosecs().unwrap_or(0);
        if !["monotonic", "boottime"].contains(&clock.as_str()) {
            return Err(Error::invalid("linux.timeOffsets", clock, "monotonic or boottime"));
        }
        if nanosecs >= 1_000_000_000 {
            return Err(Error::invalid("linux.timeOffsets nanosecs", nanosecs.to_string(), "less than a second"));
        }
        Ok(TimeOffset { clock: clock.clone(), secs: offset.secs().unwrap_or(0), nanosecs })
    };
    let mut all: Vec<TimeOffset> = given.iter().map(offset).collect::<Result<_>>()?;
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_is_written_with_dots_or_slashes() {
        for (name, is) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
            ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ] {
            assert_eq!(path(name), is);
        }
    }

    #[test]
    fn what_is_the_hosts_is_refused() {
        let set = |name: &str, has: &[LinuxNamespaceType]| {
            let given = HashMap::from([(name.to_string(), "1".to_string())]);
            sysctls(&given, |kind| has.contains(&kind)).map_err(|error| error.to_string())
        };
        use LinuxNamespaceType::{Ipc, Network, Uts};
        assert!(set("net.ipv4.ip_forward", &[Network]).is_ok());
        assert!(set("net.ipv4.ip_forward", &[Ipc, Uts]).unwrap_err().contains("network namespace"));
        assert!(set("kernel.shmmax", &[Ipc]).is_ok() && set("fs.mqueue.msg_max", &[Ipc]).is_ok());
        assert!(set("kernel.shmmax", &[Network]).unwrap_err().contains("IPC namespace"));
        assert!(set("kernel.hostname", &[Uts]).unwrap_err().contains("the field hostname"));
        for bad in ["kernel.core_pattern", "vm.swappiness", "net", "net/../kernel/core_pattern", "net..x", "", "/"] {
            assert!(set(bad, &[Ipc, Network, Uts]).is_err(), "{bad}");
        }
    }
}
