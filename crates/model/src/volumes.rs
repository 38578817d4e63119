//! Named volumes: directories that outlive the containers that use them.
//!
//! ```text
//! <data>/volumes/NAME/_data   what a container sees; Docker's own layout
//! ```

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use crate::error::{During, Error, Result};

/// The directory that holds every named volume.
#[derive(Debug, Clone)]
pub struct VolumeDir {
    root: PathBuf,
}

/// Where the caller's boxwright keeps what stays: `$BOXWRIGHT_DATA`, or `/var/lib/boxwright` for root, or
/// `$XDG_DATA_HOME/boxwright`, or `~/.local/share/boxwright`. It need not be there.
#[must_use]
pub fn data_dir() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |user| set("HOME").or_else(|| Some(User::from_uid(user).ok()??.dir)).unwrap_or_else(|| "/".into());
    let share = |user| set("XDG_DATA_HOME").unwrap_or_else(|| home(user).join(".local/share"));
    set("BOXWRIGHT_DATA").unwrap_or_else(|| match geteuid() {
        user if user.is_root() => "/var/lib/boxwright".into(),
        user => share(user).join("boxwright"),
    })
}

impl VolumeDir {
    /// Below [`data_dir`]. Nothing is made yet.
    #[must_use]
    pub fn of_the_caller() -> Self {
        VolumeDir { root: data_dir().join("volumes") }
    }

    /// Where the content of the volume `name` is, or will be.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    /// Every volume there is, by name.
    ///
    /// # Errors
    /// [`Error::Os`] when the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.during("readdir", self.root.display())?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| self.data(name).is_dir()).collect();
        names.sort();
        Ok(names)
    }

    /// The content of the volume `name`, which is there.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when it is not.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let data = checked_name(name).map(|name| self.data(&name))?;
        if data.is_dir() { Ok(data) } else { Err(nix::errno::Errno::ENOENT).during("find the volume", name) }
    }

    /// Removes the volume `name` and everything in it.
    ///
    /// # Errors
    /// [`Error::Os`] when it is not there or cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.find(name)?;
        fs::remove_dir_all(self.root.join(name)).during("remove the volume", name)
    }
}

/// Makes `directory` for what a container is to see, and what is missing on the way; that of a volume closed
/// to other users, since a container's set-user-ID programs are in there too.
///
/// # Errors
/// [`Error::Os`].
pub fn make_source(directory: &Path) -> Result<()> {
    if directory.exists() {
        return Ok(());
    }
    let make = |directory, mode| DirBuilder::new().recursive(true).mode(mode).create(directory);
    let way = directory.parent().filter(|_| directory.ends_with("_data"));
    way.map_or(Ok(()), |way| make(way, 0o700))
        .and_then(|()| make(directory, 0o755))
        .during("mkdir", directory.display())
}

/// Checks a volume's name: it becomes a directory.
///
/// # Errors
/// [`Error::Invalid`].
pub fn checked_name(name: &str) -> Result<String> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if starts_well && is_plain && name.len() <= 255 {
        return Ok(name.into());
    }
    let right =
        "letters, digits and _.-, the first a letter or a digit; for a directory an absolute path or ./relative";
    Err(Error::invalid("volume name", name, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_directory_with_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let volumes = VolumeDir { root: directory.path().join("volumes") };
        assert_eq!(volumes.names().unwrap(), Vec::<String>::new());
        make_source(&volumes.data("db")).unwrap();
        assert_eq!(volumes.names().unwrap(), ["db"]);
        assert_eq!(volumes.find("db").unwrap(), volumes.data("db"));
        volumes.remove("db").unwrap();
        assert_eq!(volumes.remove("db").unwrap_err().errno(), Some(nix::errno::Errno::ENOENT));
        for bad in ["", "..", "../x", "a/b", ".a"] {
            assert!(volumes.find(bad).unwrap_err().to_string().contains("volume name"), "{bad}");
        }
    }
}
