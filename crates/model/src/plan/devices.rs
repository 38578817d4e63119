//! Devices: `linux.devices` and `linux.resources.devices` of the OCI configuration, understood and checked.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use crate::error::{Error, Result};

/// The devices of a container's `/dev`, and the terminals of its own: major, minor. Source: OCI runtime-spec,
/// config-linux, "Default Devices".
const EXPECTED: [(u32, Option<u32>); 9] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // pts/0 and so on
];

/// Whether some devices may be used. Source: OCI runtime-spec, config-linux, "Allowed Device list".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// Allow or deny.
    pub allow: bool,
    /// `b`, `c`, or `a` for both.
    pub kind: char,
    /// `None` for all.
    pub major: Option<u32>,
    /// `None` for all.
    pub minor: Option<u32>,
    /// Of `rwm`: read, write, mknod.
    pub access: DeviceAccess,
}

/// What is done with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAccess {
    /// It is opened for reading.
    pub read: bool,
    /// It is opened for writing.
    pub write: bool,
    /// A node of it is made.
    pub mknod: bool,
}

impl DeviceAccess {
    /// All of it.
    pub const ALL: DeviceAccess = DeviceAccess { read: true, write: true, mknod: true };
    /// Nodes, which nobody can open without another rule.
    const MKNOD: DeviceAccess = DeviceAccess { read: false, write: false, mknod: true };

    /// The letters of `text`; `None` when there is another one, or none.
    #[must_use]
    pub fn from_letters(text: &str) -> Option<DeviceAccess> {
        let is_plain = !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter));
        let has = |letter| text.contains(letter);
        is_plain.then(|| DeviceAccess { read: has('r'), write: has('w'), mknod: has('m') })
    }

    /// The letters, `rw`.
    #[must_use]
    pub fn letters(self) -> String {
        let all = [(self.read, 'r'), (self.write, 'w'), (self.mknod, 'm')];
        all.into_iter().filter_map(|(is_set, letter)| is_set.then_some(letter)).collect()
    }
}

/// The rules of `list` and, when there are any, after them those that keep what every program expects: it may make
/// nodes, and use the devices of a container's own /dev. runc's and Docker's order.
pub(super) fn rules(list: &[LinuxDeviceCgroup]) -> Result<Vec<DeviceRule>> {
    let mut rules: Vec<_> = list.iter().map(rule).collect::<Result<_>>()?;
    if !rules.is_empty() {
        let allow = |kind, major, minor, access| DeviceRule { allow: true, kind, major, minor, access };
        rules.extend(['b', 'c'].map(|kind| allow(kind, None, None, DeviceAccess::MKNOD)));
        rules.extend(EXPECTED.map(|(major, minor)| allow('c', Some(major), minor, DeviceAccess::ALL)));
    }
    Ok(rules)
}

fn rule(rule: &LinuxDeviceCgroup) -> Result<DeviceRule> {
    let kind = match rule.typ() {
        Some(LinuxDeviceType::B) => 'b',
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => 'c',
        None | Some(LinuxDeviceType::A) => 'a',
        Some(LinuxDeviceType::P) => return Err(Error::invalid("resources.devices type", "p", "a, b or c")),
    };
    let letters = rule.access().as_deref().unwrap_or("rwm");
    let access = DeviceAccess::from_letters(letters);
    Ok(DeviceRule {
        allow: rule.allow(),
        kind,
        major: number(rule.major())?,
        minor: number(rule.minor())?,
        access: access.ok_or_else(|| Error::invalid("resources.devices access", letters, "letters of rwm"))?,
    })
}

/// `None` for all, which some write as -1.
fn number(number: Option<i64>) -> Result<Option<u32>> {
    let Some(number) = number.filter(|number| *number >= 0) else { return Ok(None) };
    let too_large = Error::invalid("resources.devices number", number.to_string(), "less than 2^32");
    u32::try_from(number).map(Some).or(Err(too_large))
}

/// A device of the host that a container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where, as seen from inside.
    pub at: PathBuf,
    /// Where the host has it.
    pub source: PathBuf,
    /// `b`, `c`, or `p` for a pipe.
    pub kind: char,
    /// Its numbers, major and minor.
    pub number: (u64, u64),
    /// The permissions of its node.
    pub mode: u32,
    /// The node's owner and group.
    pub owner: (u32, u32),
}

impl Device {
    /// `source` is where the host has it, if not at the same place.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a path that is not plain, or numbers that no device can have.
    pub(super) fn from_oci(device: &LinuxDevice, source: Option<PathBuf>) -> Result<Device> {
        let number = |number: i64| u32::try_from(number).ok().map(u64::from);
        let kind = match device.typ() {
            LinuxDeviceType::B => Some('b'),
            LinuxDeviceType::C | LinuxDeviceType::U => Some('c'),
            LinuxDeviceType::P => Some('p'),
            LinuxDeviceType::A => None,
        };
        let numbers =
            if kind == Some('p') { (Some(0), Some(0)) } else { (number(device.major()), number(device.minor())) };
        let (Some(kind), (Some(major), Some(minor))) = (kind, numbers) else {
            let value = format!("{} {}:{}", device.path().display(), device.major(), device.minor());
            return Err(Error::invalid(
                "linux.devices (--device)",
                value,
                "a block or character device and its numbers, or a pipe",
            ));
        };
        let at = super::mount::checked_path("linux.devices (--device)", device.path())?;
        Ok(Device {
            source: source.unwrap_or_else(|| at.clone()),
            at,
            kind,
            number: (major, minor),
            mode: device.file_mode().unwrap_or(0o666) & 0o777,
            owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxDeviceCgroupBuilder;

    #[test]
    fn a_list_of_rules_ends_with_what_every_program_expects() {
        assert_eq!(rules(&[]).unwrap(), []);
        let deny = LinuxDeviceCgroupBuilder::default().allow(false).access("rwm").build().unwrap();
        let rules = rules(&[deny]).unwrap();
        let all = DeviceRule { allow: false, kind: 'a', major: None, minor: None, access: DeviceAccess::ALL };
        assert_eq!(rules[0], all);
        assert!(rules[1..].iter().all(|rule| rule.allow));
        let null = DeviceRule { allow: true, kind: 'c', major: Some(1), minor: Some(3), access: DeviceAccess::ALL };
        assert!(rules.contains(&null));
    }

    #[test]
    fn letters_are_rwm_and_nothing_else() {
        assert_eq!(DeviceAccess::from_letters("mr").unwrap().letters(), "rm");
        for bad in ["", "x", "rwx", "R"] {
            assert_eq!(DeviceAccess::from_letters(bad), None, "{bad}");
        }
    }
}
