//! A container that an OCI runtime has made: it lives on when the runtime has ended, and the next command finds it.
//!
//! ```text
//! <root>/ID/lock          held by the command that changes ID; others wait
//! <root>/ID/state.json    who its first process is; by a process that has ended, or none, it is stopped
//! <root>/ID/config.json   the configuration that it was made of; the bundle's may have been changed since
//! <root>/ID/cgroup.json   the directories of its cgroup
//! <root>/ID/waiting       held, as a lock, by a first process that waits for `start`
//! <root>/ID/start         the socket at which it waits
//! ```
//!
//! Nothing that may change is written down: whether a container waits, runs or has ended is what the kernel says of its first
//! process, so there is no moment at which a killed runtime leaves a wrong word.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, Version};
use crate::error::{During, Error, Result};
use crate::on_disk;
use crate::plan::hooks::Hooks;
use crate::state::{self, Claim, State, StateDir};

/// The configuration that a container was made of, in its directory.
const CONFIG: &str = "config.json";

/// What an OCI runtime has to tell of a container. Source: OCI runtime-spec, runtime, "State".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oci {
    /// The version of the specification that its configuration follows.
    pub version: String,
    /// The directory that it was made from, absolute.
    pub bundle: PathBuf,
    /// Its root file system, absolute.
    pub rootfs: PathBuf,
    /// What its configuration notes about it.
    pub annotations: BTreeMap<String, String>,
    /// Whose it is: the user of the runtime.
    pub owner: u32,
    /// Whether `create` has come to its end.
    pub made: bool,
    /// Whether it has the session keyring of whoever made it.
    #[serde(default)]
    pub old_keyring: bool,
    /// Whether its configuration is known to have no hooks.
    #[serde(default)]
    pub hookless: bool,
}

impl Oci {
    /// Whether a poststart hook that fails is no more than a warning: before version 1.2 of the specification.
    #[must_use]
    pub fn only_warns(&self) -> bool {
        let mut numbers = self.version.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (1, 2)
    }

    /// The container's state, as programs read it; `pid` is 0 for a container without a first process.
    /// Source: OCI runtime-spec, runtime, "State".
    #[must_use]
    pub fn told(&self, id: &str, status: Status, pid: i32) -> serde_json::Value {
        serde_json::json!({
            "ociVersion": self.version,
            "id": id,
            "status": status,
            "pid": pid,
            "bundle": self.bundle,
            "annotations": self.annotations,
        })
    }
}

/// Where a container is in its life. Source: OCI runtime-spec, runtime, "State" and "Lifecycle"; `paused` is runc's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// It is made, and waits for its start.
    Created,
    /// Its command has been started.
    Running,
    /// Its processes are stopped where they are.
    Paused,
    /// Its command has ended, or whoever made it.
    Stopped,
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        };
        f.write_str(word)
    }
}

/// A container that is there, whatever became of it.
#[derive(Debug)]
pub struct Container {
    /// Who it is. Without a first process its `pid` is 0.
    pub state: State,
    directory: PathBuf,
    /// Whether the caller holds its lock.
    is_ours: bool,
}

impl StateDir {
    /// The container `id`.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when there is none.
    pub fn container(&self, id: &str) -> Result<Container> {
        let directory = self.directory(crate::plan::checked_name(id)?);
        // Not known to be gone is not gone: `delete --force` would call it done.
        if !on_disk::stat(&directory)?.is_some_and(|metadata| metadata.is_dir()) {
            return Err(no_such(id));
        }
        let state = match state::read(&directory) {
            Err(error) if error.errno().is_some_and(|errno| errno != Errno::ENOENT) => return Err(error),
            // Killed before its first word: it has a name and nothing else.
            Err(_) => State { pid: 0, oci: Some(Oci::default()), ..State::new(id, Pid::this(), Vec::new()) },
            Ok(state) => state,
        };
        Ok(Container { state, directory, is_ours: false })
    }

    /// Every container, by name.
    ///
    /// # Errors
    /// [`Error::Os`] when the directory, or what is noted of a container, cannot be read.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let found = self.names()?.into_iter().map(|id| self.container(&id));
        // One that goes meanwhile is left out, and what has no container's name.
        let is_none = |error: &Error| error.errno().is_none_or(|errno| errno == Errno::ENOENT);
        found.filter(|it| !it.as_ref().is_err_and(is_none)).collect()
    }

    /// The container `id`, for a command that changes it: once no other one does.
    ///
    /// # Errors
    /// As [`StateDir::container`].
    pub fn hold(&self, id: &str) -> Result<(Container, Hold)> {
        let path = self.directory(crate::plan::checked_name(id)?).join("lock");
        let lock = match File::options().write(true).open(&path) {
            Err(error) if is_missing(&error) => self.lock_again(id, &path)?,
            lock => lock.during("open", path.display())?,
        };
        lock.lock().during("flock", path.display())?;
        // It may have been removed while this waited, and a new one of the name may have another lock.
        let container = Container { is_ours: true, ..self.container(id)? };
        if on_disk::is_at(&path, &lock)? { Ok((container, Hold { _lock: lock })) } else { Err(no_such(id)) }
    }

    /// Makes the lock that whoever made or removed the container was killed before or after. Both do it alone: while nobody else
    /// does, either the container is gone, or they are.
    fn lock_again(&self, id: &str, path: &Path) -> Result<File> {
        let _alone = self.lock()?;
        match File::options().write(true).create(true).truncate(false).open(path) {
            Err(error) if is_missing(&error) => Err(no_such(id)),
            lock => lock.during("open", path.display()),
        }
    }
}

/// Keeps the configuration that a container is made of.
///
/// # Errors
/// [`Error::Os`] when it cannot be written.
pub fn write_config(claim: &Claim, config: &Spec) -> Result<()> {
    on_disk::write_json(&claim.directory().join(CONFIG), config)
}

/// Whether that keeps a file from being opened which has no directory.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The words that engines look for when they ask whether there is a container.
fn no_such(id: &str) -> Error {
    Err::<(), _>(Errno::ENOENT).during("find", format_args!("{id}: container does not exist")).expect_err("made as one")
}

/// The right to change a container, until it is dropped or this process ends.
#[derive(Debug)]
pub struct Hold {
    _lock: File,
}

impl Container {
    /// Its directory in the state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether another command than the caller's holds its lock: the one that makes it, or one that changes it. A command that was
    /// killed holds none.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.is_ours && state::is_alive(&self.directory)
    }

    /// Whether its first process has not been let in yet: it is on its way to the door, or waits there.
    #[must_use]
    pub fn is_at_the_door(&self) -> bool {
        on_disk::is_locked(&self.directory.join("waiting"))
    }

    /// Whether its cgroup is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let Ok(group) = state::cgroup_with(&self.directory, "freezer") else { return false };
        match group.version("freezer") {
            Ok(Version::V1) => group.read("freezer.state").is_ok_and(|word| word.trim() != "THAWED"),
            Ok(Version::V2) => group.read("cgroup.freeze").is_ok_and(|word| word.trim() == "1"),
            Err(_) => false,
        }
    }

    /// The configuration that it was made of.
    ///
    /// # Errors
    /// [`Error::Os`] when it cannot be read: the container is half-made.
    pub fn config(&self) -> Result<Spec> {
        on_disk::read_json(&self.directory.join(CONFIG))
    }

    /// The hooks of [`Container::config`], without the rest, which takes longer to read.
    ///
    /// # Errors
    /// As [`Container::config`].
    pub fn hooks(&self) -> Result<Hooks> {
        #[derive(Deserialize)]
        struct Noted {
            hooks: Option<oci_spec::runtime::Hooks>,
        }
        if self.state.oci.as_ref().is_some_and(|oci| oci.hookless) {
            return Ok(Hooks::default());
        }
        let noted: Noted = on_disk::read_json(&self.directory.join(CONFIG))?;
        noted.hooks.as_ref().map_or(Ok(Hooks::default()), Hooks::from_oci)
    }

    /// Its cgroup; without a single controller when it has none, or what there was is gone.
    ///
    /// # Errors
    /// [`Error::Os`] when what is noted of it cannot be read.
    pub fn cgroup(&self) -> Result<Cgroup> {
        state::cgroup(&self.directory)
    }

    /// Removes what is left of it: its cgroup, by `remove_group`, and its directory. Its first process is killed if it lives.
    ///
    /// # Errors
    /// [`Error::Os`] for what cannot be removed.
    pub fn remove(self, _hold: Hold, states: &StateDir, remove_group: impl Fn(&Cgroup) -> Result<()>) -> Result<()> {
        if self.state.is_alive() {
            state::kill_first(&self.state)?;
        }
        state::remove_noted(&self.directory, remove_group)?;
        state::wait_for_first(&self.state)?;
        let _alone = states.lock()?;
        state::remove(&self.directory)
    }
}
