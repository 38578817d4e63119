//! What the learner's code did to the layer that stands for the host, and why that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cgroup::TestGroup;
use crate::host::Place;

/// How long a process that is being killed may take to be gone.
const GRACE: Duration = Duration::from_millis(500);

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What changed.
    pub what: String,
    /// Why that happens.
    pub why: String,
    /// Where the book explains it.
    pub read: String,
}

impl Finding {
    fn new(what: String, why: &str, read: &str) -> Self {
        Finding { what, why: why.to_owned(), read: read.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { what, why, read } = self;
        write!(f, "the host was changed: {what}\n  likely: {why}\n  read:   book/src/{read}")
    }
}

/// The state of the host layer that a learner's code could change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    names: [String; 2],
    /// Mount point and kind by mount id, and its propagation.
    mounts: BTreeMap<String, (String, String)>,
    links: BTreeSet<String>,
    queues: BTreeSet<String>,
    cgroups: BTreeSet<PathBuf>,
    processes: BTreeMap<i32, String>,
}

impl Snapshot {
    /// To be called in the namespaces of the host layer, by its PID 1.
    pub fn take(place: &Place, group: Option<&TestGroup>) -> io::Result<Self> {
        let name = |file: &str| fs::read_to_string(format!("/proc/sys/kernel/{file}"));
        Ok(Snapshot {
            names: [name("hostname")?, name("domainname")?],
            mounts: mounts(&fs::read_to_string("/proc/self/mountinfo")?),
            links: links(&fs::read_to_string("/proc/self/net/dev")?),
            queues: queues(place)?,
            cgroups: group.map(TestGroup::children).unwrap_or_default(),
            processes: processes()?,
        })
    }
}

/// Compares the host with how it was `before`; leftover processes are given [`GRACE`] to end.
pub fn compare(before: &Snapshot, place: &Place, group: Option<&TestGroup>) -> io::Result<Vec<Finding>> {
    const STEP: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        let after = Snapshot::take(place, group)?;
        if after.processes == before.processes || waited >= GRACE {
            return Ok(differences(before, &after));
        }
        sleep(STEP);
        waited += STEP;
        // Orphans come to us, PID 1; whoever ended meanwhile is reaped here.
        while matches!(
            nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)),
            Ok(status) if status != nix::sys::wait::WaitStatus::StillAlive
        ) {}
    }
}

fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (what, (old, new)) in ["hostname", "domainname"].iter().zip(before.names.iter().zip(&after.names)) {
        if old != new {
            found.push(Finding::new(
                format!("its {what} was {:?} and is {:?}", old.trim(), new.trim()),
                "the name was set while the process was still in the host's UTS namespace: unshare(CLONE_NEWUTS) comes first",
                "lab01-uts.md, The kernel's rules",
            ));
        }
    }
    mount_differences(before, after, &mut found);
    let mut sets = |old: &BTreeSet<String>, new: &BTreeSet<String>, what: &str, why: &str, read: &str| {
        for item in new.difference(old) {
            found.push(Finding::new(format!("{what} {item} is new"), why, read));
        }
        for item in old.difference(new) {
            found.push(Finding::new(format!("{what} {item} is gone"), why, read));
        }
    };
    sets(
        &before.queues,
        &after.queues,
        "the IPC object",
        "it was made while the process was still in the host's IPC namespace; objects stay where they are made",
        "lab02-ipc.md, The kernel's rules",
    );
    sets(
        &before.links,
        &after.links,
        "the network interface",
        "it was made in, or moved to, the host's network namespace",
        "lab14-network.md, The kernel's rules",
    );
    for path in after.cgroups.difference(&before.cgroups) {
        let why = "a cgroup is a directory: it stays until somebody removes it, once its last process is gone";
        found.push(Finding::new(
            format!("the cgroup {} is left", path.display()),
            why,
            "lab07-cpu.md, The kernel's rules",
        ));
    }
    for (pid, command) in &after.processes {
        if !before.processes.contains_key(pid) {
            found.push(Finding::new(
                format!("process {pid} ({command}) still runs"),
                "nobody killed it or waited for it: a child lives on when its parent ends, unless PR_SET_PDEATHSIG or the end of its PID namespace takes it along",
                "lab03-pid.md, The kernel's rules",
            ));
        }
    }
    found
}

fn mount_differences(before: &Snapshot, after: &Snapshot, found: &mut Vec<Finding>) {
    const READ: &str = "lab04-mounts.md, The kernel's rules";
    let mut new = Vec::new();
    let mut changed: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (id, (mount, propagation)) in &after.mounts {
        match before.mounts.get(id) {
            None => new.push(mount.as_str()),
            Some((_, old)) if old != propagation => changed.entry((old, propagation)).or_default().push(mount.as_str()),
            Some(_) => {}
        }
    }
    if !new.is_empty() {
        found.push(Finding::new(
            format!("{} mounted", several(&new, "was", "were")),
            "the mount was made in the host's mount namespace, or under a mount that is still shared with it: unshare(CLONE_NEWNS), then MS_REC|MS_PRIVATE on /, and only then mount",
            READ,
        ));
    }
    for ((old, propagation), mounts) in changed {
        found.push(Finding::new(
            format!(
                "the propagation of {} {} and is {}",
                several(&mounts, "was", "was"),
                propagation_name(old),
                propagation_name(propagation)
            ),
            "it was changed before unshare(CLONE_NEWNS), so it is the host's own mount that changed",
            READ,
        ));
    }
    let lost = before.mounts.iter().filter(|(id, _)| !after.mounts.contains_key(*id));
    let gone: Vec<_> = lost.map(|(_, (mount, _))| mount.as_str()).collect();
    if !gone.is_empty() {
        let why = "the unmount was made in the host's mount namespace, or under a mount that is still shared with it";
        found.push(Finding::new(format!("{} unmounted", several(&gone, "was", "were")), why, READ));
    }
}

/// One or two mounts by name; of more, how many they are and the two with the shortest names; then the verb.
fn several(mounts: &[&str], one: &str, many: &str) -> String {
    let mut sorted = mounts.to_vec();
    sorted.sort_by_key(|mount| (mount.rsplit(" on ").next().map_or(0, str::len), *mount));
    match sorted.as_slice() {
        [] => String::new(),
        [mount] => format!("{mount} {one}"),
        [first, second] => format!("{first} and {second} {many}"),
        [first, second, ..] => format!("{} mounts, {first} and {second} among them, {many}", mounts.len()),
    }
}

/// The word for the tags of a line of mountinfo. Source: mount_namespaces(7).
fn propagation_name(tags: &str) -> &str {
    match tags {
        "" => "private",
        "master" => "slave",
        "shared master" => "shared and slave",
        other => other,
    }
}

/// The host's `/proc` no longer answers: it is the proc of a PID namespace that has ended.
pub fn out_of_sight(error: &io::Error) -> Finding {
    Finding::new(
        format!("its /proc can no longer be read ({error})"),
        "another proc was mounted over it, by a process whose mounts are still shared with the host: unshare(CLONE_NEWNS), then MS_REC|MS_PRIVATE on /, and only then mount",
        "lab04-mounts.md, The kernel's rules",
    )
}

/// A child that ended and that nobody waited for.
pub fn zombie() -> Finding {
    Finding::new(
        "a zombie is left".to_owned(),
        "a child ended and its parent did not wait for it: waitpid(2) is what removes it from the process table",
        "lab03-pid.md, The kernel's rules",
    )
}

/// The descriptors that a process has open.
pub struct Descriptors(BTreeMap<i32, String>);

impl Descriptors {
    pub fn take() -> Self {
        let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let described = entries.filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            Some((fd, fs::read_link(entry.path()).ok()?.display().to_string()))
        });
        // The descriptor of this very listing is closed again: its link says so.
        Descriptors(described.filter(|(_, target)| !target.starts_with("/proc/") || !target.ends_with("/fd")).collect())
    }

    /// What is open now and was not before.
    pub fn leaked(&self) -> Vec<Finding> {
        let now = Descriptors::take().0;
        let new = now.iter().filter(|(fd, _)| !self.0.contains_key(fd));
        new.map(|(fd, target)| {
            Finding::new(
                format!("descriptor {fd} ({target}) is still open"),
                "a raw descriptor was opened and never closed; OwnedFd closes itself",
                "lab05-root.md, The kernel's rules",
            )
        })
        .collect()
    }
}

fn mounts(mountinfo: &str) -> BTreeMap<String, (String, String)> {
    let parse = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let fields: Vec<&str> = mount.split(' ').collect();
        let kind = file_system.split(' ').next()?;
        // Peer group numbers differ from run to run; whether there are peers does not.
        let tags: Vec<&str> = fields.iter().skip(6).filter_map(|tag| tag.split(':').next()).collect();
        Some((fields.first()?.to_string(), (format!("{kind} on {}", fields.get(4)?), tags.join(" "))))
    };
    mountinfo.lines().filter_map(parse).collect()
}

fn links(net_dev: &str) -> BTreeSet<String> {
    net_dev.lines().skip(2).filter_map(|line| line.split(':').next()).map(|name| name.trim().to_owned()).collect()
}

/// System V objects by kind, key and id, and POSIX queues by name.
fn queues(place: &Place) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for (kind, name) in [("msg", "message queue"), ("sem", "semaphore set"), ("shm", "shared memory segment")] {
        let table = fs::read_to_string(format!("/proc/sysvipc/{kind}"))?;
        for line in table.lines().skip(1) {
            let cells: Vec<&str> = line.split_whitespace().take(2).collect();
            found.insert(format!("{name} (key, id) {}", cells.join(" ")));
        }
    }
    for entry in fs::read_dir(place.path().join("mqueue"))? {
        found.insert(format!("POSIX queue /{}", entry?.file_name().display()));
    }
    Ok(found)
}

fn processes() -> io::Result<BTreeMap<i32, String>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // A process that ends while we look has no name any more, and is gone.
    Ok(pids
        .filter_map(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())))
        .collect())
}
