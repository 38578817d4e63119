//! Capabilities: root's power in pieces, by number and by name.

use std::fmt::{self, Display};

use crate::error::{Error, Result};

/// Their names by number, as `<linux/capability.h>` has them. Source: capabilities(7).
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities: bit n stands for number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapSet(pub u64);

impl CapSet {
    /// None.
    pub const EMPTY: CapSet = CapSet(0);
    /// Every one that has a name here.
    pub const ALL: CapSet = CapSet((1 << NAMES.len()) - 1);
    /// CAP_SYS_ADMIN: what namespaces, mounts and filters ask for.
    pub const SYS_ADMIN: CapSet = CapSet(1 << 21);
    /// What a container's root keeps unless somebody says otherwise: Docker's 14.
    pub const DEFAULT: CapSet = CapSet(
        1 << 0
            | 1 << 1
            | 1 << 3
            | 1 << 4
            | 1 << 5
            | 1 << 6
            | 1 << 7
            | 1 << 8
            | 1 << 10
            | 1 << 13
            | 1 << 18
            | 1 << 27
            | 1 << 29
            | 1 << 31,
    );

    /// Whether the capability with this number is in it.
    #[must_use]
    pub fn has(self, number: u32) -> bool {
        number < u64::BITS && self.0 & (1 << number) != 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: CapSet) -> CapSet {
        CapSet(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub fn or(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }

    /// What is in this and not in `other`.
    #[must_use]
    pub fn without(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }

    /// The numbers in it.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |number| self.has(*number))
    }

    /// The set of the one that is called `name`, in letters of any size, with `CAP_` or without.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name that is nearest.
    pub fn named(what: &'static str, name: &str) -> Result<CapSet> {
        let upper = name.to_ascii_uppercase();
        let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
        match NAMES.iter().position(|known| *known == full) {
            Some(number) => Ok(CapSet(1 << number)),
            None => Err(Error::invalid(what, name, format!("a capability, such as {}", nearest(&full)))),
        }
    }

    /// Their names; a number for one that has none here.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let name = |number| match NAMES.get(number as usize) {
            Some(name) => (*name).to_owned(),
            None => format!("CAP_{number}"),
        };
        self.numbers().map(name).collect()
    }
}

/// As `/proc/PID/status` shows it.
impl Display for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The known name that takes the fewest changes of a letter to get to.
fn nearest(name: &str) -> &'static str {
    NAMES.iter().copied().min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or(NAMES[0])
}

/// The five sets of a thread. Source: capabilities(7), "Thread capability sets".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapSets {
    /// What a program that is started may get by its own inheritable set.
    pub inheritable: CapSet,
    /// What the thread may make effective.
    pub permitted: CapSet,
    /// What the kernel asks for.
    pub effective: CapSet,
    /// What no program that is started can get beyond, set-user-ID root or not.
    pub bounding: CapSet,
    /// What a program that is started keeps, though it has no set-user-ID bit and no capabilities of its own.
    pub ambient: CapSet,
}

/// The capabilities of a file, its extended attribute `security.capability`. Source: capabilities(7), "File capabilities".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCaps {
    /// What whoever starts it gets, as far as their bounding set allows.
    pub permitted: CapSet,
    /// What they get if they have it inheritable too.
    pub inheritable: CapSet,
    /// Whether what they get is effective at once, for programs that know nothing of capabilities.
    pub effective: bool,
    /// For whom it counts: the user who is root of a user namespace. `None`: root of the machine (version 2).
    pub root: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_written_in_many_ways() {
        for name in ["CAP_NET_RAW", "NET_RAW", "net_raw", "Cap_Net_Raw"] {
            assert_eq!(CapSet::named("--cap-add", name).unwrap(), CapSet(1 << 13), "{name}");
        }
        let refused = CapSet::named("--cap-add", "net_row").unwrap_err().to_string();
        assert_eq!(refused, "--cap-add \"net_row\" is not valid: a capability, such as CAP_NET_RAW");
    }

    #[test]
    fn the_default_is_dockers() {
        let names = CapSet::DEFAULT.names();
        assert_eq!(names.len(), 14);
        for name in
            "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT \
                     KILL AUDIT_WRITE"
                .split_whitespace()
        {
            assert!(names.contains(&format!("CAP_{name}")), "{name}");
        }
    }

    #[test]
    fn a_set_has_64_bits() {
        let set = CapSet(1 << 40 | 1 << 63);
        assert_eq!(set.numbers().collect::<Vec<_>>(), [40, 63]);
        assert_eq!(set.names(), ["CAP_CHECKPOINT_RESTORE", "CAP_63"]);
        assert_eq!(set.to_string(), "8000010000000000");
        assert!(!set.has(64) && CapSet::ALL.has(40) && !CapSet::ALL.has(41));
    }
}
