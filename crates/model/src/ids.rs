//! User and group ids: who somebody is inside a user namespace, and who outside.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One line of `/proc/PID/uid_map` or `gid_map`: `count` ids, the first of which is `inside` in the namespace and
/// `outside` where the reader is. Source: user_namespaces(7), "Defining user and group ID mappings".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// ID-inside-ns; `containerID` of the OCI specification.
    pub inside: u32,
    /// ID-outside-ns; `hostID`.
    pub outside: u32,
    /// length; `size`. Never 0.
    pub count: u32,
}

impl IdRange {
    /// Whether an id is in both, inside or outside: the kernel takes no such map (EINVAL).
    #[must_use]
    pub fn overlaps(&self, other: &IdRange) -> bool {
        let meet = |one: u32, other_one: u32, other_count: u32, count: u32| {
            u64::from(one) < u64::from(other_one) + u64::from(other_count)
                && u64::from(other_one) < u64::from(one) + u64::from(count)
        };
        meet(self.inside, other.inside, other.count, self.count)
            || meet(self.outside, other.outside, other.count, self.count)
    }
}

/// As the kernel reads and shows it.
impl Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inside, self.outside, self.count)
    }
}

/// Who the users and groups of a user namespace are outside of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMaps {
    /// For uid_map.
    pub uids: Vec<IdRange>,
    /// For gid_map.
    pub gids: Vec<IdRange>,
}

impl IdMaps {
    /// Checks that each map has a line, that no line is empty, and that no two overlap.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the lines.
    pub fn checked(self) -> Result<IdMaps> {
        for (what, map) in [("linux.uidMappings", &self.uids), ("linux.gidMappings", &self.gids)] {
            let overlap = |(at, range): (usize, &IdRange)| map[..at].iter().any(|other| other.overlaps(range));
            let is_empty = map.is_empty() || map.iter().any(|range| range.count == 0);
            if is_empty || map.iter().enumerate().any(overlap) {
                let lines = map.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(Error::invalid(
                    what,
                    lines,
                    "inside outside count, none of them empty, no two overlapping",
                ));
            }
        }
        Ok(self)
    }
}

/// The id outside of what is `inside` by `map`; `None` when it is nobody there.
#[must_use]
pub fn outside(map: &[IdRange], inside: u32) -> Option<u32> {
    let range = map.iter().find(|range| inside.checked_sub(range.inside).is_some_and(|step| step < range.count))?;
    range.outside.checked_add(inside - range.inside)
}

/// Whether `/proc/PID/uid_map` is that of the machine's own user namespace: any other maps fewer ids, or others.
#[must_use]
pub fn are_machines(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: [IdRange; 2] =
        [IdRange { inside: 0, outside: 1000, count: 1 }, IdRange { inside: 1, outside: 100_000, count: 65_536 }];

    #[test]
    fn an_id_has_one_number_outside_or_none() {
        let cases = [(0, Some(1000)), (1, Some(100_000)), (65_536, Some(165_535)), (65_537, None), (u32::MAX, None)];
        for (inside, is) in cases {
            assert_eq!(outside(&MAP, inside), is, "{inside}");
        }
    }

    #[test]
    fn a_map_that_the_kernel_would_refuse_is_refused_before() {
        let maps = |uids: &[IdRange]| IdMaps { uids: uids.to_vec(), gids: MAP.to_vec() }.checked();
        assert!(maps(&MAP).is_ok());
        let touching = IdRange { inside: 65_537, outside: 165_536, count: 1 };
        assert!(maps(&[MAP[0], MAP[1], touching]).is_ok());
        for twice in [IdRange { inside: 65_536, ..touching }, IdRange { outside: 165_535, ..touching }] {
            assert!(maps(&[MAP[0], MAP[1], twice]).unwrap_err().to_string().contains("linux.uidMappings"), "{twice}");
        }
        assert!(maps(&[]).is_err() && maps(&[IdRange { count: 0, ..touching }]).is_err());
    }
}
