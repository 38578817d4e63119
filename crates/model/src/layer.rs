//! A file system in layers. Source: the kernel's documentation, filesystems/overlayfs.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{During, Result};
use crate::ids;
use crate::tree::place;

/// The layers of one overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Directories that are read and never written, the topmost first.
    pub lowers: Vec<PathBuf>,
    /// The directory that gets what is written.
    pub upper: PathBuf,
    /// An empty directory that overlayfs prepares files in, on the file system of `upper`.
    pub work: PathBuf,
    /// Where it keeps its marks.
    pub marks: Marks,
}

/// The name space of the extended attributes that overlayfs keeps its marks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Marks {
    /// `trusted.overlay.…`, which takes CAP_SYS_ADMIN over the machine to see and to write.
    Trusted,
    /// `user.overlay.…`, the owner's to write: what is left in a user namespace (mount option `userxattr`, Linux 5.11).
    User,
}

impl Marks {
    /// The attribute whose value `y` makes a directory opaque.
    #[must_use]
    pub fn opaque(self) -> &'static OsStr {
        OsStr::new(match self {
            Marks::Trusted => "trusted.overlay.opaque",
            Marks::User => "user.overlay.opaque",
        })
    }

    /// Those of the overlays that a process can mount whose `/proc/PID/uid_map` is `uid_map`.
    #[must_use]
    pub fn of(uid_map: &str) -> Self {
        if ids::are_machines(uid_map) { Marks::Trusted } else { Marks::User }
    }
}

/// Whether a directory bears the mark. On a file system without extended attributes none does.
///
/// # Errors
/// [`crate::Error::Os`] with EACCES where the caller may not look.
pub fn is_opaque(directory: BorrowedFd<'_>, marks: Marks) -> Result<bool> {
    match xattr::get_deref(place(directory), marks.opaque()) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
        value => Ok(value.during("getxattr", marks.opaque().display())?.is_some_and(|value| value == b"y")),
    }
}

/// How a layer hides what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// Nothing by this name is to be seen.
    Whiteout(&'a OsStr),
    /// Of the directory that bears it, nothing of the layers below is to be seen.
    Opaque,
}

/// What one layer has by a name.
#[derive(Debug)]
pub enum Entry {
    /// Nothing: the layers below are looked at.
    Missing,
    /// A whiteout: the layers below are not looked at.
    Whiteout,
    /// Anything but a directory.
    File(OwnedFd),
    /// A directory, merged with those of the layers below unless it is opaque.
    Directory {
        /// It itself (O_PATH).
        fd: OwnedFd,
        /// Whether it bears the mark.
        opaque: bool,
    },
}

/// One line of `boxwright diff`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Absolute, as seen from inside.
    pub path: PathBuf,
    /// What has happened to it.
    pub kind: ChangeKind,
}

impl Change {
    /// What has happened to `path`.
    #[must_use]
    pub fn new(kind: ChangeKind, path: &Path) -> Self {
        Change { path: path.to_owned(), kind }
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Changed => 'C',
            ChangeKind::Deleted => 'D',
        };
        write!(f, "{letter} {}", self.path.display())
    }
}

/// What can happen to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// Its content, owner, mode or kind is another; or something in it is.
    Changed,
    /// It is not there any more.
    Deleted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_map_is_told_from_others() {
        assert_eq!(Marks::of("         0          0 4294967295\n"), Marks::Trusted);
        for other in ["         0       1000          1\n", "0 0 65536\n", "0 1000 1\n1 100000 65536\n", ""] {
            assert_eq!(Marks::of(other), Marks::User, "{other}");
        }
    }

    #[test]
    fn a_change_reads_as_dockers_does() {
        assert_eq!(Change::new(ChangeKind::Deleted, Path::new("/etc/motd")).to_string(), "D /etc/motd");
    }
}
