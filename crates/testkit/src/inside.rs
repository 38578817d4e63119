//! What a process sees of itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use model::{NsId, NsKind};
use serde::{Deserialize, Serialize};

/// A probe's answer. What cannot be read from where the process is (no /proc there) is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// getpid(2).
    pub pid: i32,
    /// getppid(2): 0 when the parent is in an outer PID namespace.
    pub parent: i32,
    /// `NSpid:`, outermost first, as far as the /proc in sight shows.
    pub ns_pids: Vec<i32>,
    /// uname(2), nodename.
    pub hostname: String,
    /// uname(2), domainname.
    pub domainname: String,
    /// Every mount, in the order of mountinfo.
    pub mounts: Vec<Mount>,
    /// The names in `/`.
    pub root: Vec<String>,
    /// getcwd(2); nothing when it is out of reach.
    pub cwd: Option<PathBuf>,
    /// The capability sets of `/proc/self/status` by name: CapInh, CapPrm, CapEff, CapBnd, CapAmb.
    pub capabilities: BTreeMap<String, u64>,
    /// `/proc/self/uid_map`, each line as inside, outside, length.
    pub uid_map: Vec<[u32; 3]>,
    /// `/proc/self/gid_map`.
    pub gid_map: Vec<[u32; 3]>,
    /// The namespaces that it lives in.
    pub namespaces: BTreeMap<NsKind, NsId>,
    /// The processes that its /proc shows.
    pub processes: Vec<i32>,
    /// The numbers of its open descriptors.
    pub descriptors: Vec<i32>,
}

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Which directory of the file system is mounted.
    pub root: String,
    /// Where.
    pub point: PathBuf,
    /// Its options: `rw`, `nosuid`, …
    pub options: Vec<String>,
    /// Its propagation: `shared:7`, `master:3`, `unbindable`; empty for a private one.
    pub propagation: Vec<String>,
    /// The file system's type.
    pub kind: String,
}

/// Looks at the calling process from the inside.
#[must_use]
pub fn inside() -> Inside {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let status = read("status");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let capability = |name: &str| {
        let bits = u64::from_str_radix(field(&format!("{name}:")), 16).ok()?;
        Some((name.to_owned(), bits))
    };
    let uname = nix::sys::utsname::uname();
    Inside {
        pid: nix::unistd::getpid().as_raw(),
        parent: nix::unistd::getppid().as_raw(),
        ns_pids: field("NSpid:").split_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        hostname: uname.as_ref().map(|uname| uname.nodename().display().to_string()).unwrap_or_default(),
        domainname: uname.map(|uname| uname.domainname().display().to_string()).unwrap_or_default(),
        mounts: read("mountinfo").lines().filter_map(mount).collect(),
        root: names("/"),
        cwd: std::env::current_dir().ok(),
        capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].into_iter().filter_map(capability).collect(),
        uid_map: id_map(&read("uid_map")),
        gid_map: id_map(&read("gid_map")),
        namespaces: namespaces(),
        processes: numbers("/proc"),
        descriptors: numbers("/proc/self/fd"),
    }
}

/// The namespaces of the calling process.
#[must_use]
pub fn namespaces() -> BTreeMap<NsKind, NsId> {
    let identity = |kind: NsKind| Some((kind, NsId(fs::metadata(format!("/proc/self/ns/{kind}")).ok()?.ino())));
    NsKind::ALL.into_iter().filter_map(identity).collect()
}

/// Runs `verb`, which takes the caller into a new namespace of `kind`; fails unless it did, and took it into no other.
///
/// `flag` is the one for unshare(2); `likely` explains a set of kinds that only this lab can explain.
pub fn moves_only(
    kind: NsKind,
    flag: &str,
    verb: impl FnOnce(),
    likely: impl FnOnce(&[NsKind]) -> Option<&'static str>,
    read: &str,
) {
    let before = namespaces();
    verb();
    let after = namespaces();
    let changed: Vec<NsKind> = NsKind::ALL.into_iter().filter(|kind| before.get(kind) != after.get(kind)).collect();
    crate::check!(
        changed == [kind],
        expected: format!("the {kind} namespace to be another one, and that one alone"),
        seen: match changed.as_slice() {
            [] => "no namespace changed".to_owned(),
            changed => format!("these changed: {changed:?}"),
        },
        likely: match (likely(&changed), changed.as_slice()) {
            (Some(words), _) => words.to_owned(),
            (None, []) => "unshare(2) was not called, or called without a flag".to_owned(),
            (None, _) => format!("the flag of another namespace, or more than one flag: {flag} is the one"),
        },
        read: read,
    );
}

fn mount(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let fields: Vec<&str> = mount.split(' ').collect();
    Some(Mount {
        root: fields.get(3)?.to_string(),
        point: PathBuf::from(fields.get(4)?),
        options: fields.get(5)?.split(',').map(str::to_owned).collect(),
        propagation: fields.iter().skip(6).map(|tag| tag.to_string()).collect(),
        kind: file_system.split(' ').next()?.to_owned(),
    })
}

fn id_map(text: &str) -> Vec<[u32; 3]> {
    let line =
        |line: &str| line.split_whitespace().map(|id| id.parse().ok()).collect::<Option<Vec<u32>>>()?.try_into().ok();
    text.lines().filter_map(line).collect()
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    names
}

fn numbers(directory: &str) -> Vec<i32> {
    let mut numbers: Vec<i32> = names(directory).iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}
