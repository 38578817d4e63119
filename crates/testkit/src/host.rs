//! The layer of a [`Shield`](crate::Shield) that stands for the host: namespaces, mounts, who is who.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{self, SigHandler, Signal};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{getgid, getppid, getuid};

use crate::cgroup::{self, TestGroup};
use crate::{sys, user};

/// How the text of a failed set-up begins.
pub const SET_UP: &str = "setting up the shield: ";

/// As whom the closure runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Root: the machine's own when the test has it, else root of a user namespace.
    Root,
    /// The same, with a range of ids to give away.
    RootWithIds,
    /// An ordinary user, uid 1000, with a range of subordinate ids.
    User,
}

/// The directories of this machine that a shield needs.
pub struct Place {
    directory: PathBuf,
    disk: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // In the test process alone: the forks end without their destructors.
        let _ = remove_tree(&self.disk);
    }
}

/// As `remove_dir_all`, directories included that we own and may not read: an overlay makes such.
///
/// # Errors
/// What cannot be removed.
pub fn remove_tree(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    remove_content(directory)?;
    fs::remove_dir(directory)
}

/// All of it that can be removed.
fn remove_content(directory: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_directory = entry.file_type()?.is_dir();
        result = result.and(if is_directory { remove_tree(&entry.path()) } else { fs::remove_file(entry.path()) });
    }
    result
}

impl Place {
    /// One fixed directory below `target/tmp`: each shield has its own tmpfs there, which no other sees. Not
    /// `/tmp`, which is often mounted nosuid and nodev.
    pub fn directory() -> PathBuf {
        static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
        DIRECTORY.get_or_init(|| tmp_of_target().join("shield")).clone()
    }

    pub fn find() -> io::Result<Self> {
        let directory = Place::directory();
        fs::create_dir_all(&directory)?;
        Ok(Place { disk: tempfile::Builder::new().prefix("shield-").tempdir_in(tmp_of_target())?.keep(), directory })
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }
}

/// The directory that belongs to the test: an empty, writable tmpfs in every shield, which is also TMPDIR.
#[must_use]
pub fn dir() -> PathBuf {
    Place::directory()
}

/// A directory on the same disk as the checkout, for what a tmpfs cannot do; empty, writable, removed afterwards.
#[must_use]
pub fn disk_dir() -> PathBuf {
    dir().join("disk")
}

/// The host's message queues as files: the mqueue file system of the namespace that stands for the host.
#[must_use]
pub fn host_mqueue() -> PathBuf {
    dir().join("mqueue")
}

/// `target/tmp`, found from the test binary's own path; a directory of the user's own where that is not writable.
fn tmp_of_target() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| {
        let profile = exe.ancestors().skip(1).find(|directory| !directory.ends_with("deps"))?;
        Some(profile.parent()?.join("tmp"))
    });
    let writable = |path: &PathBuf| {
        fs::create_dir_all(path).is_ok() && nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok()
    };
    beside.filter(writable).unwrap_or_else(|| {
        let own = std::env::temp_dir().join(format!("boxwright-shield-{}", getuid()));
        let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(&own);
        own
    })
}

/// Dies with the process that forked this one.
pub fn die_with_parent() -> io::Result<()> {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // It may have died before the call above; then we belong to somebody else now.
    if getppid() != parent { Err(io::Error::other("the test has ended")) } else { Ok(()) }
}

/// Fork 1: fresh namespaces, everything read-only but the test's own directories.
pub fn enter(parent: Option<&UnixStream>, place: &Place, group: Option<&TestGroup>) -> io::Result<()> {
    enter_namespaces(parent).map_err(|error| io::Error::other(format!("{SET_UP}{error}")))?;
    let step = |what: &str, result: io::Result<()>| {
        result.map_err(|error| io::Error::other(format!("{SET_UP}{what}: {error}")))
    };
    // Cut off the real host first; it must not see a single one of these mounts.
    step("rprivate", propagate(MsFlags::MS_PRIVATE))?;
    step("read-only", sys::set_read_only(Path::new("/"), true, true))?;
    let directory = place.path();
    step("tmpfs", fs_mount("tmpfs", directory, Some("mode=0755")))?;
    if keeps_attributes(directory) {
        step("disk", writable_bind(&place.disk, &directory.join("disk")))?;
    } else {
        step("disk", writable_bind(&place.disk, directory))?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        fs::create_dir(directory.join("disk"))?;
    }
    for own in group.into_iter().flat_map(TestGroup::directories) {
        step("cgroup", writable_bind(own, own))?;
    }
    // As on a machine with systemd: a learner who forgets MS_PRIVATE shall see what comes of it.
    step("rshared", propagate(MsFlags::MS_SHARED))
}

/// Whether an overlay whose marks are its owner's can be made there: of a tmpfs, since Linux 6.6.
fn keeps_attributes(directory: &Path) -> bool {
    const NAME: &str = "user.boxwright";
    xattr::set(directory, NAME, b"").and_then(|()| xattr::remove(directory, NAME)).is_ok()
}

/// Fork 1, in the end: what the test has left on a disk goes, also of such owners as nobody outside can be.
pub fn clear(place: &Place) -> io::Result<()> {
    if statfs(place.path())?.filesystem_type() == TMPFS_MAGIC {
        return Ok(());
    }
    // What something is mounted on stays, and is removed outside.
    remove_content(place.path())
}

/// Fork 2: what needs the new PID and IPC namespaces.
pub fn settle(identity: Identity, place: &Place) -> io::Result<()> {
    let step = |what: &str, result: io::Result<()>| {
        result.map_err(|error| io::Error::other(format!("{SET_UP}{what}: {error}")))
    };
    // Writable: a read-only /proc would make uid_map read-only too.
    step("proc", fs_mount("proc", Path::new("/proc"), None))?;
    let mqueue = place.path().join("mqueue");
    fs::create_dir(&mqueue)?;
    step("mqueue", fs_mount("mqueue", &mqueue, None))?;
    for directory in ["tmp", "state", "data"] {
        fs::create_dir(place.path().join(directory))?;
    }
    fs::set_permissions(place.path().join("tmp"), fs::Permissions::from_mode(0o1777))?;
    for directory in ["state", "data"] {
        fs::set_permissions(place.path().join(directory), fs::Permissions::from_mode(0o700))?;
    }
    if identity != Identity::Root {
        step("the user", user::furnish(place.path()))?;
    }
    if identity == Identity::User {
        step("the user's directories", user::give_directories(place.path()))
    } else {
        Ok(())
    }
}

/// Fork 3: the environment of the learner's code, and its user.
#[allow(unsafe_code, reason = "setenv and signal")]
pub fn become_the_learner(identity: Identity, place: &Place, group: Option<&TestGroup>) -> io::Result<()> {
    let set = |name: &str, value: &OsStr| -> io::Result<()> {
        let (name, value) = (CString::new(name)?, CString::new(value.as_encoded_bytes())?);
        // SAFETY: this process has one thread, and setenv copies both strings. Not std::env::set_var: its lock
        // may have been taken by another thread of the test when it forked.
        nix::errno::Errno::result(unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) })?;
        Ok(())
    };
    // Whoever is started in the background of a script ignores a Ctrl-C, and whatever it starts does too.
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        // SAFETY: no handler is set.
        unsafe { signal::signal(signal, SigHandler::SigDfl) }?;
    }
    set("TMPDIR", place.path().join("tmp").as_os_str())?;
    set("BOXWRIGHT_ROOT", place.path().join("state").as_os_str())?;
    set("BOXWRIGHT_DATA", place.path().join("data").as_os_str())?;
    group.map_or(Ok(()), TestGroup::join)?;
    let groups = group.into_iter().flat_map(TestGroup::directories);
    set(cgroup::VARIABLE, &std::env::join_paths(groups).map_err(io::Error::other)?)?;
    nix::unistd::chdir(place.path())?;
    match identity {
        Identity::Root | Identity::RootWithIds => Ok(()),
        Identity::User => user::become_id(user::USER),
    }
}

/// `parent` is where the test process waits to map ids, for a shield that needs more than one.
fn enter_namespaces(parent: Option<&UnixStream>) -> io::Result<()> {
    let fresh = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let (uid, gid) = (getuid(), getgid());
    match parent {
        _ if uid.is_root() => Ok(unshare(fresh)?),
        Some(parent) => {
            user::enter_user_namespace(parent)?;
            Ok(unshare(fresh)?)
        }
        None => {
            unshare(CloneFlags::CLONE_NEWUSER | fresh)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
        }
    }
}

fn propagate(kind: MsFlags) -> io::Result<()> {
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | kind, None::<&str>)?)
}

fn fs_mount(kind: &str, target: &Path, data: Option<&str>) -> io::Result<()> {
    Ok(mount(Some(kind), target, Some(kind), MsFlags::empty(), data)?)
}

fn writable_bind(source: &Path, target: &Path) -> io::Result<()> {
    if !target.exists() {
        fs::create_dir(target)?;
    }
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    sys::set_read_only(target, false, false)
}
