//! Which containers run: a directory for each, and a lock that dies with the process that holds it.
//!
//! ```text
//! <root>/.lock             held while a name is taken, given back or swept
//! <root>/NAME/lock         held by the boxwright that runs NAME: free means that it was killed
//! <root>/NAME/state.json   who PID 1 is; written in one piece, and again when it is up
//! <root>/NAME/cgroup.json  the directories of its cgroup; written before they are made, and again when they are
//! <root>/NAME/rootfs/      when boxwright builds one
//! ```

use std::cell::RefCell;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::fstat;
use nix::unistd::{Pid, geteuid};
use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, Interface, Part};
use crate::container::Oci;
use crate::error::{During, Error, Result};
use crate::on_disk;

/// A running container, as other commands find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its name.
    pub id: String,
    /// Its first process, by the PID that the host knows it by.
    pub pid: i32,
    /// When that process started, in clock ticks since boot: a PID is used again, the two together are not.
    pub started_ticks: u64,
    /// Its command.
    pub args: Vec<String>,
    /// Whether its command has been started. Until then its first process is the host's still, at least in part.
    #[serde(default)]
    pub up: bool,
    /// The places of the host that are mounted in it.
    #[serde(default)]
    pub sources: Vec<PathBuf>,
    /// When it was made, in seconds since 1970.
    pub created_unix_s: u64,
    /// What an OCI runtime has to tell of it; `None` when boxwright itself looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<Oci>,
}

impl State {
    /// The state of a container whose first process is `pid`, as of now.
    #[must_use]
    pub fn new(id: &str, pid: Pid, args: Vec<String>) -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        State {
            id: id.into(),
            pid: pid.as_raw(),
            started_ticks: started_ticks(pid).unwrap_or_default(),
            args,
            up: false,
            sources: Vec::new(),
            created_unix_s: created.as_secs(),
            oci: None,
        }
    }

    /// Whether its first process is there and has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.pid > 0 && stat(self.pid()) == Some((true, self.started_ticks))
    }

    /// What is written down of it.
    ///
    /// # Errors
    /// [`Error::Os`] for what JSON cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::from).during("write", &self.id)
    }

    /// Its first process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.pid)
    }
}

/// A directory of a container's cgroup.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    path: PathBuf,
    /// What tells it from another one that has the name; none before it is made. Inodes of cgroups are not used again.
    inode: Option<u64>,
    /// What it speaks, so that nobody has to look. One that an older boxwright has noted does not say.
    #[serde(default)]
    interface: Option<Interface>,
}

impl Noted {
    /// Whether it has been made by the boxwright that noted it, and is still there.
    fn is_there(&self) -> bool {
        // As long as nobody says that it is gone.
        self.is_own().unwrap_or(true)
    }

    /// Whether what has the name by now is what was made.
    fn is_own(&self) -> Result<bool> {
        let Some(inode) = self.inode else { return Ok(false) };
        Ok(on_disk::stat(&self.path)?.is_some_and(|metadata| metadata.ino() == inode))
    }
}

/// The directory that holds every container's state.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Where state goes when nobody says: `/run/boxwright` for root, else below `$XDG_RUNTIME_DIR`, else in /tmp.
    #[must_use]
    pub fn default_root() -> PathBuf {
        match (geteuid(), std::env::var_os("XDG_RUNTIME_DIR")) {
            (user, _) if user.is_root() => "/run/boxwright".into(),
            (_, Some(directory)) if !directory.is_empty() => PathBuf::from(directory).join("boxwright"),
            (user, _) => format!("/tmp/boxwright-{user}").into(),
        }
    }

    /// Opens `root`, and makes it, mode 0700, when it is not there.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is a symbolic link, another user's, or open for others to write: in /tmp
    /// anybody could have put it there first.
    pub fn open(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).during("find", root.display())?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&root);
        let metadata = made.and_then(|()| fs::symlink_metadata(&root)).during("mkdir", root.display())?;
        let is_ours = metadata.is_dir() && metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0;
        if !is_ours {
            let right = "a directory of your own that nobody else can write to";
            return Err(Error::invalid("state directory (--root)", root.to_string_lossy(), right));
        }
        // Without symbolic links on the way: paths below it are compared with those of mountinfo.
        Ok(StateDir { root: root.canonicalize().during("find", root.display())? })
    }

    /// Where the container `id` has, or will have, its directory.
    #[must_use]
    pub fn directory(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// Takes the name `id`, until the returned [`Claim`] is dropped or this process ends.
    ///
    /// # Errors
    /// [`Error::Os`] with EEXIST when a running container has it.
    pub fn claim(&self, id: &str) -> Result<Claim> {
        let _alone = self.lock()?;
        let directory = self.directory(id);
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .during("take the name", format_args!("{id} (a running container has it)"))?;
        let path = directory.join("lock");
        let lock = || {
            let lock = File::create(&path).during("open", path.display())?;
            lock.try_lock().map_err(io::Error::from).during("flock", path.display()).map(|()| lock)
        };
        // Without it there is nobody to give the name back.
        let lock = lock().inspect_err(|_| drop(fs::remove_dir_all(&directory)))?;
        Ok(Claim { states: StateDir { root: self.root.clone() }, directory, lock: RefCell::new(Some(lock)) })
    }

    /// Removes what killed boxwrights left, ends their processes, and returns the names. Their cgroups go to
    /// `remove_group`, which is to end what is in them too; a directory with files in it that the caller may not touch to
    /// `empty`.
    ///
    /// # Errors
    /// [`Error::Os`] for what cannot be removed.
    pub fn sweep(
        &self,
        remove_group: impl Fn(&Cgroup) -> Result<()>,
        empty: impl Fn(&Path) -> Result<()>,
    ) -> Result<Vec<String>> {
        let _alone = self.lock()?;
        let mut swept = Vec::new();
        for id in self.names()? {
            let directory = self.directory(&id);
            let state = read(&directory).ok();
            // An OCI runtime ends while its containers run, and removes them when it is told to.
            if is_alive(&directory) || state.as_ref().is_some_and(|state| state.oci.is_some()) {
                continue;
            }
            state.as_ref().map_or(Ok(()), kill_first)?;
            // Before the wait: a frozen process of v1 ends when it is thawed, and that is how a group is ended.
            remove_noted(&directory, &remove_group)?;
            // Before its files go: it may be on the way to its command still, and make some.
            state.as_ref().map_or(Ok(()), wait_for_first)?;
            match remove(&directory) {
                Err(error) if error.errno() == Some(nix::errno::Errno::EACCES) => {
                    empty(&directory)?;
                    remove(&directory)?;
                }
                result => result?,
            }
            swept.push(id);
        }
        Ok(swept)
    }

    /// The running containers, by name. One that is only now starting is left out.
    ///
    /// # Errors
    /// [`Error::Os`] when the directory cannot be read.
    pub fn running(&self) -> Result<Vec<State>> {
        let _alone = self.lock()?;
        let directories = self.names()?.into_iter().map(|id| self.directory(&id));
        Ok(directories.filter(|directory| is_alive(directory)).filter_map(|directory| read(&directory).ok()).collect())
    }

    /// The running container `id`.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when there is none.
    pub fn find(&self, id: &str) -> Result<State> {
        let running = self.running()?.into_iter().find(|state| state.id == id);
        running.ok_or(nix::errno::Errno::ENOENT).during("find the running container", id)
    }

    /// The running container `id`, once its command has been started.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when there is none, with EAGAIN when it takes longer than that.
    pub fn find_up(&self, id: &str) -> Result<State> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match self.find(id)? {
                state if state.up => return Ok(state),
                _ if Instant::now() > deadline => {
                    return Err(nix::errno::Errno::EAGAIN).during("find", format_args!("{id} (it is only starting)"));
                }
                _ => sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The cgroup of the running container `id`; of one that has none, one without a single controller.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when there is no such container.
    pub fn running_cgroup(&self, id: &str) -> Result<Cgroup> {
        self.find(id).and_then(|state| self.cgroup(&state))
    }

    /// The cgroup of a container; without a single controller when it has none, or has ended.
    ///
    /// # Errors
    /// [`Error::Os`] when what is noted of it cannot be read.
    pub fn cgroup(&self, state: &State) -> Result<Cgroup> {
        cgroup(&self.directory(&state.id))
    }

    pub(crate) fn lock(&self) -> Result<File> {
        on_disk::lock(&self.root.join(".lock"))
    }

    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).during("readdir", self.root.display())? {
            let name = entry.during("readdir", self.root.display())?.file_name();
            names.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
        }
        names.sort();
        Ok(names)
    }
}

/// A name that is taken. Dropping it gives the name back and removes the container's directory.
#[derive(Debug)]
pub struct Claim {
    states: StateDir,
    directory: PathBuf,
    // Opened O_CLOEXEC; the kernel lets go of it when the last process that has it open ends.
    lock: RefCell<Option<File>>,
}

impl Claim {
    /// The container's own directory; what is in it is removed with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// For a process that was forked off with this: lets go of its copy of the lock, by which the name would be taken
    /// for as long as that process lives. The process must not drop the claim.
    pub fn let_go(&self) {
        self.lock.take();
    }

    /// Lets go of the name and leaves it taken: the container goes on without this process.
    pub fn keep(self) {
        self.let_go();
        std::mem::forget(self);
    }

    /// Tells the other commands who runs here. They see all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Os`] when it cannot be written.
    pub fn write(&self, state: &State) -> Result<()> {
        write(&self.directory, state)
    }

    /// Notes where the container's cgroup is about to be made, so that it is found if this process is killed. What is
    /// there by then may be another's, and is removed only if nobody is in it.
    ///
    /// # Errors
    /// [`Error::Os`] when it cannot be written.
    pub fn announce_cgroup(&self, directories: &[PathBuf]) -> Result<()> {
        let noted = directories.iter().map(|path| Noted { path: path.clone(), inode: None, interface: None });
        on_disk::write_json(&self.directory.join("cgroup.json"), &noted.collect::<Vec<_>>())
    }

    /// Notes that the cgroup is made, and is this container's. Until it is gone the name stays taken.
    ///
    /// # Errors
    /// [`Error::Os`] when it is not there, or this cannot be written.
    pub fn own_cgroup(&self, group: &Cgroup) -> Result<()> {
        let note = |part: &Part| {
            let path = part.path().to_owned();
            let inode = fstat(part).during("stat", path.display())?.st_ino;
            Ok(Noted { path, inode: Some(inode), interface: Some(part.interface()) })
        };
        let noted = group.parts().iter().map(note).collect::<Result<Vec<_>>>()?;
        on_disk::write_json(&self.directory.join("cgroup.json"), &noted)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What cannot be removed now, the next command tries again, and says so. It finds a cgroup by its note alone.
        if let Ok(_alone) = self.states.lock()
            && !noted(&self.directory).is_ok_and(|all| all.iter().any(Noted::is_there))
        {
            let _ = remove(&self.directory);
        }
    }
}

/// Whether somebody holds the lock in `directory`.
pub(crate) fn is_alive(directory: &Path) -> bool {
    on_disk::is_locked(&directory.join("lock"))
}

pub(crate) fn write(directory: &Path, state: &State) -> Result<()> {
    on_disk::write_json(&directory.join("state.json"), state)
}

pub(crate) fn read(directory: &Path) -> Result<State> {
    on_disk::read_json(&directory.join("state.json"))
}

fn noted(directory: &Path) -> Result<Vec<Noted>> {
    match on_disk::read_json(&directory.join("cgroup.json")) {
        Err(error) if error.errno() == Some(nix::errno::Errno::ENOENT) => Ok(Vec::new()),
        noted => noted,
    }
}

/// The container's own cgroup that is noted in `directory`: none, or a part of it, when boxwright was killed on the way.
pub(crate) fn cgroup(directory: &Path) -> Result<Cgroup> {
    open(&noted(directory)?)
}

/// As [`cgroup`], without the directories that are known not to have `controller`.
pub(crate) fn cgroup_with(directory: &Path, controller: &str) -> Result<Cgroup> {
    let mut all = noted(directory)?;
    all.retain(|group| match &group.interface {
        Some(Interface::V1(controllers)) => controllers.contains(controller),
        _ => true,
    });
    open(&all)
}

fn open(all: &[Noted]) -> Result<Cgroup> {
    let mut parts = Vec::new();
    for group in all {
        let part = match &group.interface {
            Some(interface) => Part::open_as(&group.path, interface),
            None => Part::open(&group.path),
        };
        match part {
            Ok(part) => {
                let inode = fstat(&part).during("stat", group.path.display())?.st_ino;
                // What has the name by now may be another's.
                parts.extend((Some(inode) == group.inode).then_some(part));
            }
            Err(error) if error.errno() != Some(nix::errno::Errno::ENOENT) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(Cgroup::from(parts))
}

/// Removes the cgroup of a container whose boxwright was killed, with all that runs in it, by `remove_group`.
pub(crate) fn remove_noted(directory: &Path, remove_group: impl Fn(&Cgroup) -> Result<()>) -> Result<()> {
    let mut all = Vec::new();
    for group in noted(directory)? {
        // In most of them is nobody any more.
        if !(group.is_own()? && remove_empty(&group.path)?) {
            all.push(group);
        }
    }
    if all.iter().any(|group| group.inode.is_some()) {
        remove_group(&open(&all)?)?;
    }
    // Killed while it made the group: nobody has been put into what there is. If somebody is in it, it is the group of
    // another container, of the same name and with its state elsewhere.
    for group in all.into_iter().filter(|group| group.inode.is_none()) {
        remove_empty(&group.path)?;
    }
    Ok(())
}

/// Removes a group unless somebody is in it. Whether it is gone.
fn remove_empty(path: &Path) -> Result<bool> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        removed => removed.during("rmdir", path.display()).map(|()| true),
    }
}

/// Kills the first process of a container that nobody watches any more, unless its PID is somebody else's now.
pub(crate) fn kill_first(state: &State) -> Result<()> {
    match started_ticks(state.pid()) {
        Some(ticks) if ticks == state.started_ticks => match kill(state.pid(), Signal::SIGKILL) {
            Err(nix::errno::Errno::ESRCH) => Ok(()),
            result => result.during("kill", format_args!("SIGKILL {}", state.pid)),
        },
        _ => Ok(()),
    }
}

/// Waits until the first process has ended, two seconds at most; whether somebody has looked after it does not matter.
pub(crate) fn wait_for_first(state: &State) -> Result<()> {
    for _ in 0..2000 {
        if !state.is_alive() {
            return Ok(());
        }
        sleep(Duration::from_millis(1));
    }
    let alive: std::result::Result<(), _> = Err(nix::errno::Errno::EBUSY);
    alive.during("end the process", state.pid)
}

/// Removes a container's directory, but never what is mounted below it.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    let mounts = File::open("/proc/self/mountinfo").and_then(on_disk::read_all);
    let mounts = mounts.during("read", "/proc/self/mountinfo")?;
    let below = |point: &&str| Path::new(point).starts_with(directory);
    if let Some(point) = String::from_utf8_lossy(&mounts).lines().filter_map(|line| line.split(' ').nth(4)).find(below)
    {
        let busy: std::result::Result<(), _> = Err(nix::errno::Errno::EBUSY);
        return busy.during("remove", format_args!("{} with a mount at {point} (umount it)", directory.display()));
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.during("remove", directory.display()),
    }
}

/// When the process with this number started, in clock ticks since boot. `None` when it is gone.
#[must_use]
pub fn started_ticks(pid: Pid) -> Option<u64> {
    stat(pid).map(|(_, started_ticks)| started_ticks)
}

/// Whether the process with this number has not ended, and when it started, in clock ticks since boot. One at which its parent has
/// not looked has ended. Source: proc_pid_stat(5), fields 3 and 22.
pub(crate) fn stat(pid: Pid) -> Option<(bool, u64)> {
    let stat = File::open(format!("/proc/{pid}/stat")).and_then(on_disk::read_all).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The second field is the command in parentheses, and may hold spaces and parentheses of its own.
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    Some((!has_ended, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn open() -> (tempfile::TempDir, StateDir) {
        let directory = tempfile::tempdir().unwrap();
        let states = StateDir::open(&directory.path().join("state")).unwrap();
        (directory, states)
    }

    /// What a boxwright leaves that was killed: everything but the lock.
    fn abandon(states: &StateDir, state: &State) {
        let claim = states.claim(&state.id).unwrap();
        claim.write(state).unwrap();
        claim.let_go();
        std::mem::forget(claim);
    }

    #[test]
    fn a_name_is_taken_once_and_given_back() {
        let (_keep, states) = open();
        let claim = states.claim("web").unwrap();
        let refused = states.claim("web").unwrap_err();
        assert_eq!(refused.errno(), Some(nix::errno::Errno::EEXIST), "{refused}");
        drop(claim);
        assert!(!states.directory("web").exists());
        states.claim("web").unwrap();
    }

    #[test]
    fn a_running_container_is_found_and_never_swept() {
        let (_keep, states) = open();
        let claim = states.claim("web").unwrap();
        assert_eq!(states.running().unwrap(), []);
        let state = State::new("web", Pid::this(), vec!["sleep".into()]);
        claim.write(&state).unwrap();
        assert_eq!(states.sweep(|_| Ok(()), |_| Ok(())).unwrap(), Vec::<String>::new());
        assert_eq!(states.find("web").unwrap(), state);
        drop(claim);
        assert!(states.find("web").is_err());
    }

    #[test]
    fn what_a_killed_boxwright_left_is_swept_by_name() {
        let (_keep, states) = open();
        let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
        abandon(&states, &State::new("gone", Pid::from_raw(sleeper.id() as i32), vec![]));
        assert_eq!(states.running().unwrap(), []);
        assert_eq!(states.sweep(|_| Ok(()), |_| Ok(())).unwrap(), ["gone"]);
        assert!(!sleeper.wait().unwrap().success());
        assert!(!states.directory("gone").exists());
    }

    #[test]
    fn a_process_that_only_has_the_pid_is_left_alone() {
        let (_keep, states) = open();
        let mut state = State::new("gone", Pid::this(), vec![]);
        state.started_ticks += 1;
        abandon(&states, &state);
        assert_eq!(states.sweep(|_| Ok(()), |_| Ok(())).unwrap(), ["gone"]);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(StateDir::open(directory.path()).unwrap_err().to_string().contains("state directory (--root)"));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(StateDir::open(&link).is_err());
    }
}
