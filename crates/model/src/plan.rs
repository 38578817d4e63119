//! What is to be done, with every question answered: an OCI configuration in which nothing is optional,
//! nothing is relative and nothing is left to be checked.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Spec};

use crate::caps::CapSets;
use crate::error::{Error, Result};
use crate::ids::{IdMaps, IdRange};
use crate::namespace::NsKind;
use hooks::Hooks;
use seccomp::Policy;

mod check;
mod devices;
pub mod hooks;
mod join;
mod kernel;
mod knobs;
mod mount;
mod options;
mod process;
mod resources;
mod root;
mod schedule;
pub mod seccomp;

pub use devices::{Device, DeviceAccess, DeviceRule};
pub use join::Join;
pub use kernel::{Sysctl, TimeOffset};
pub use knobs::Setting;
pub use mount::{Access, Bind, COPY_UP, Change, Fs, KEEP_OWNERS, MAKE_SOURCE, Mount, Tmpfs};
pub use options::{Attributes, Spread};
pub use process::caps;
pub use process::{Rlimit, User};
pub use resources::{Cpu, Io, IoKind, IoLimit, Memory, Resources};
pub use root::{Driver, Layer};
pub use schedule::{Affinity, MemoryPolicy, Turn};

/// The longest name that the UTS namespace takes, in bytes (`__NEW_UTS_LEN`).
pub const NAME_MAX_BYTES: usize = 64;
/// Annotation: PID 1 is a small init of ours, and the command its child (Docker's `--init`).
pub const INIT: &str = "org.boxwright.init";
/// Annotation: the command gets the caller's standard input (Docker's `-i`).
pub const STDIN: &str = "org.boxwright.stdin";
/// Annotation: there is no command; its first process holds its namespaces, for others to share.
pub const HOLD: &str = "org.boxwright.hold";
/// Annotation: build the root file system, before the start, from this machine's own programs.
pub const FROM_HOST: &str = "org.boxwright.rootfs-from-host";

/// Annotation: the directory for the container's own layer over `root`, which stays as it is.
pub const LAYER: &str = "org.boxwright.layer";
/// Annotation: the layers of an image that it lies on, from `root`, with colons between; without it, it lies on `root`.
pub const LAYER_CHAIN: &str = "org.boxwright.layer-chain";
/// Annotation: the id of that image.
pub const IMAGE: &str = "org.boxwright.image";
/// What each container of an image gets from its host, as files of its own, as Docker has it.
pub const IMAGE_FILES: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// Annotation: how it gets that layer, the name of a [`Driver`].
pub const STORAGE_DRIVER: &str = "org.boxwright.storage-driver";
/// Annotation: that layer goes with the container.
pub const LAYER_GOES: &str = "org.boxwright.layer-goes";
/// Annotation: read-only is `/`, though it is the caller's and so has no `root` in the configuration.
pub const READ_ONLY: &str = "org.boxwright.read-only";
/// Annotation: a rule for devices was asked for by name. Where none can be set, the container is not started.
pub const DEVICE_RULES: &str = "org.boxwright.device-rules";
/// Annotation, with the path inside at its end: where the host has this device.
pub const DEVICE_SOURCE: &str = "org.boxwright.device-source:";

/// Annotation, with a directory at its end: files below it may be written, and no others but those of other such annotations.
pub const LANDLOCK: &str = "org.boxwright.landlock:";

/// A container to be. Made by [`Plan::from_spec`] alone, changed only to leave out what is not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name among the running containers.
    pub id: String,
    /// The command and its arguments; never empty.
    pub args: Vec<CString>,
    /// The command's environment, each `NAME=value`.
    pub env: Vec<CString>,
    /// The command's working directory, absolute, as seen from inside.
    pub cwd: PathBuf,
    /// Whether the command gets a terminal of its own.
    pub terminal: bool,
    /// Whether the command gets the caller's standard input; otherwise it reads /dev/null.
    pub stdin: bool,
    /// Whether PID 1 is an init of ours and the command its child.
    pub init: bool,
    /// Whether its first process is one of ours that holds its namespaces, in place of the command.
    pub hold: bool,
    /// Who its users and groups are outside; `None` when they are the caller's own.
    pub ids: Option<IdMaps>,
    /// The namespaces that it shares with others, in place of its own or of the caller's.
    pub joins: Vec<Join>,
    /// Whether the caller lacks root's powers and borrows them (see [`crate::borrowed_userns`]): in place of `ids`, until
    /// lab 09 is written.
    pub borrow_userns: bool,
    /// The names for a UTS namespace of its own; `None` to share the caller's.
    pub uts: Option<Names>,
    /// Whether it has an IPC namespace of its own.
    pub new_ipc: bool,
    /// Whether it has a PID namespace of its own.
    pub new_pid: bool,
    /// Whether it has a mount namespace of its own.
    pub new_mnt: bool,
    /// Whether it has a network namespace of its own.
    pub new_net: bool,
    /// How far its clocks are ahead, in a time namespace of its own; `None` to share the caller's.
    pub time: Option<Vec<TimeOffset>>,
    /// What the kernel is told about these namespaces.
    pub sysctls: Vec<Sysctl>,
    /// What its `/` does with later mounts; `None` when they stay where they are made.
    pub propagation: Option<Spread>,
    /// What is mounted, in this order.
    pub mounts: Vec<Mount>,
    /// What is hidden then, files and directories, as far as they are there.
    pub masked_paths: Vec<PathBuf>,
    /// What can be read only then, as far as it is there.
    pub read_only_paths: Vec<PathBuf>,
    /// Whether `/` itself can be read only, apart from what is mounted below it.
    pub read_only_root: bool,
    /// The directory that becomes its `/`; `None` for the caller's.
    pub rootfs: Option<PathBuf>,
    /// Whether `rootfs` is first filled with this machine's own programs.
    pub rootfs_from_host: bool,
    /// Whether it is made from an image: its working directory is made when it is missing, and it has [`IMAGE_FILES`].
    pub from_image: bool,
    /// Its own layer over `rootfs`; `None` when it writes to `rootfs` itself.
    pub layer: Option<Layer>,
    /// Whether it has a cgroup of its own, where the caller may make one.
    pub cgroup: bool,
    /// That cgroup's path below where the caller may make one; `None` for a name of ours.
    pub cgroup_path: Option<PathBuf>,
    /// Whether it sees that cgroup as the top of the tree.
    pub new_cgroup: bool,
    /// How much it may use.
    pub resources: Resources,
    /// How readily the kernel ends it when the machine's memory is used up, -1000 to 1000; `None` for the caller's own.
    pub oom_score_adj: Option<i32>,
    /// How much each of its processes may have.
    pub rlimits: Vec<Rlimit>,
    /// Which permissions its files do not get; `None` for the caller's own.
    pub umask: Option<u32>,
    /// Rows and columns of its terminal; `None` for the caller's.
    pub console_size: Option<(u16, u16)>,
    /// When its turn comes at a disk, as ioprio_set(2) takes it.
    pub io_priority: Option<i32>,
    /// When its turn comes at a processor.
    pub turn: Option<Turn>,
    /// The processors of a command that joins it.
    pub affinity: Affinity,
    /// Where its memory is.
    pub memory_policy: Option<MemoryPolicy>,
    /// As which system uname(2) tells it the kernel, for personality(2).
    pub personality: Option<u64>,
    /// Whether the devices that every program expects are to be made in its /dev.
    pub lacks_devices: bool,
    /// The host's devices that it gets.
    pub devices: Vec<Device>,
    /// Whether it must not start where rules for devices cannot be set.
    pub must_rule_devices: bool,
    /// Who its processes are.
    pub user: User,
    /// What they may do; `None` for all that the caller may.
    pub caps: Option<CapSets>,
    /// Which system calls it may make; `None` for every one.
    pub seccomp: Option<Policy>,
    /// Whether no program that it starts gets more power than it has.
    pub no_new_privs: bool,
    /// Below which directories alone it may write; none for no such rule.
    pub landlock: Vec<PathBuf>,
    /// The AppArmor profile that its command gets.
    pub apparmor: Option<String>,
    /// The SELinux label that its command gets.
    pub selinux: Option<String>,
    /// The programs that are called on the way.
    pub hooks: Hooks,
    /// Whether every descriptor but the standard three is kept from the command.
    pub seal_fds: bool,
    /// How many from 3 on it gets nevertheless.
    pub kept_fds: u32,
    /// Whether its session keyring is its own, and not the caller's.
    pub new_keyring: bool,
    /// The cgroup below the container's of a command that joins it: a path, behind the names of controllers and a colon if it is
    /// not for all of them.
    pub subgroup: Option<String>,
}

/// The two strings of a UTS namespace; `None` keeps what the caller's has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// As `hostname(1)` shows it.
    pub hostname: Option<String>,
    /// As `domainname(1)` shows it.
    pub domainname: Option<String>,
}

impl Plan {
    /// Answers every question that `spec` leaves open, and checks every value once.
    ///
    /// `bundle` is where a relative `root.path` starts.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field by its place in the OCI configuration, and which values are right.
    pub fn from_spec(id: &str, spec: &Spec, bundle: &Path) -> Result<Plan> {
        let process = spec.process().as_ref().ok_or_else(|| Error::invalid("process", "", "a command to run"))?;
        let is_new = |kind| namespaces(spec).any(|(namespace, path)| namespace == kind && path.is_none());
        let is_set = |annotation| spec.annotations().as_ref().is_some_and(|all| all.contains_key(annotation));
        check::check(spec)?;
        let linux = spec.linux().as_ref();
        let ids = has_ids(spec).then(|| ids(spec)).transpose()?;
        let mut mounts = root::mounts(spec, bundle, ids.as_ref())?;
        let propagation = root::propagation(spec)?;
        if root::crossing(propagation, &mounts).is_none() {
            // Every mount is private then.
            mounts.iter_mut().for_each(Mount::forget_private);
        }
        let rootfs = root::rootfs(spec, bundle, is_set(FROM_HOST))?;
        let sysctls = linux.and_then(|linux| linux.sysctl().as_ref());
        let group_path = linux.and_then(|linux| linux.cgroups_path().as_ref());
        let (memory_policy, personality) =
            linux.map_or((None, None), |linux| (linux.memory_policy().as_ref(), linux.personality().as_ref()));
        let offsets = linux.and_then(|linux| linux.time_offsets().as_ref());
        let offsets = offsets.map(kernel::time_offsets).transpose()?.unwrap_or_default();
        let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
        let plan = Plan {
            id: checked_name(id)?.into(),
            args: process::args(process)?,
            env: process::env(process)?,
            cwd: process::cwd(process)?,
            terminal: process.terminal().unwrap_or(false),
            stdin: is_set(STDIN),
            init: is_set(INIT),
            hold: is_set(HOLD),
            ids,
            joins: join::joins(spec)?,
            borrow_userns: false,
            uts: is_new(LinuxNamespaceType::Uts).then(|| names(spec)).transpose()?,
            new_ipc: is_new(LinuxNamespaceType::Ipc),
            new_pid: is_new(LinuxNamespaceType::Pid),
            new_mnt: is_new(LinuxNamespaceType::Mount),
            new_net: is_new(LinuxNamespaceType::Network),
            time: is_new(LinuxNamespaceType::Time).then_some(offsets),
            sysctls: sysctls
                .map(|all| kernel::sysctls(all, |kind| has_its_own(spec, kind)))
                .transpose()?
                .unwrap_or_default(),
            propagation,
            lacks_devices: rootfs.is_some() && root::lacks_devices(&mounts),
            mounts,
            masked_paths: root::paths(spec.linux().as_ref().and_then(|linux| linux.masked_paths().as_ref()))?,
            read_only_paths: root::paths(spec.linux().as_ref().and_then(|linux| linux.readonly_paths().as_ref()))?,
            read_only_root: is_set(READ_ONLY) || spec.root().as_ref().is_some_and(|root| root.readonly() == Some(true)),
            rootfs,
            rootfs_from_host: is_set(FROM_HOST),
            from_image: is_set(IMAGE),
            layer: root::layer(spec)?,
            cgroup: true,
            cgroup_path: group_path.map(|path| knobs::group_path(path)).transpose()?.flatten(),
            new_cgroup: is_new(LinuxNamespaceType::Cgroup),
            resources: resources.map(Resources::from_oci).transpose()?.unwrap_or_default(),
            oom_score_adj: process::oom_score_adj(process)?,
            rlimits: process::rlimits(process)?,
            umask: process::umask(process)?,
            console_size: process::console_size(process)?,
            io_priority: schedule::io_priority(process)?,
            turn: schedule::turn(process)?,
            affinity: schedule::affinity(process)?,
            memory_policy: memory_policy.map(schedule::memory_policy).transpose()?,
            personality: personality.map(process::personality).transpose()?,
            devices: root::devices(spec)?,
            must_rule_devices: is_set(DEVICE_RULES),
            user: process::user(process)?,
            caps: Some(process.capabilities().as_ref().map(process::caps).unwrap_or_default()),
            seccomp: spec
                .linux()
                .as_ref()
                .and_then(|linux| linux.seccomp().as_ref())
                .map(Policy::from_oci)
                .transpose()?,
            no_new_privs: process.no_new_privileges() == Some(true),
            landlock: root::landlock(spec),
            apparmor: process.apparmor_profile().clone().filter(|name| !name.is_empty()),
            selinux: process.selinux_label().clone().filter(|label| !label.is_empty()),
            hooks: Hooks::from_spec(spec)?,
            seal_fds: true,
            kept_fds: 0,
            new_keyring: false,
            subgroup: None,
        };
        let mounts = !plan.mounts.is_empty() || !plan.masked_paths.is_empty() || !plan.read_only_paths.is_empty();
        if !plan.new_mnt && !plan.joins(NsKind::Mnt) && (plan.rootfs.is_some() || mounts || plan.read_only_root) {
            return Err(Error::invalid("linux.namespaces", "", "with root or mounts it holds a mount namespace"));
        }
        Ok(plan)
    }

    /// Whether it shares the namespace of this kind that `joins` names.
    #[must_use]
    pub fn joins(&self, kind: NsKind) -> bool {
        self.joins.iter().any(|join| join.kind == kind)
    }

    /// Whether its first process has a supervisor and dies with it: the one thing that looks after a PID namespace from outside.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        self.new_pid || self.joins(NsKind::Pid)
    }

    /// How mounts cross between it and the host; `None` when they do not.
    #[must_use]
    pub fn crossing(&self) -> Option<Spread> {
        root::crossing(self.propagation, &self.mounts)
    }
}

/// Checks a container's name as an OCI runtime takes it: it becomes a directory.
///
/// # Errors
/// [`Error::Invalid`].
pub fn checked_name(id: &str) -> Result<&str> {
    let is_plain = id.chars().all(|c| c.is_ascii_alphanumeric() || "_+.-".contains(c));
    if is_plain && !id.is_empty() && !id.starts_with('.') && id.len() <= 255 {
        return Ok(id);
    }
    Err(Error::invalid("container id", id, "1 to 255 of a-z A-Z 0-9 _ + . -, the first no dot"))
}

/// Checks a container's name: it becomes a directory, and a host name.
///
/// # Errors
/// [`Error::Invalid`].
pub fn checked_id(id: &str) -> Result<String> {
    let starts_well = id.starts_with(|first: char| first.is_ascii_alphanumeric());
    let is_plain = id.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if starts_well && is_plain && id.len() <= NAME_MAX_BYTES {
        return Ok(id.into());
    }
    Err(Error::invalid("name (--name)", id, "1 to 64 of a-z A-Z 0-9 _ . -, the first a letter or a digit"))
}

fn namespaces(spec: &Spec) -> impl Iterator<Item = (LinuxNamespaceType, Option<&PathBuf>)> {
    let all = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    let path = |path: &&PathBuf| !path.as_os_str().is_empty();
    all.into_iter().flatten().map(move |namespace| (namespace.typ(), namespace.path().as_ref().filter(path)))
}

/// Whether it tells who its users are outside: with a user namespace of its own it has to, with another's it can.
/// Whether it has a namespace of this kind that is not the caller's, by a path or not.
fn has_its_own(spec: &Spec, kind: LinuxNamespaceType) -> bool {
    // A namespace is a file, told by its numbers.
    let id = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let own = |kind: LinuxNamespaceType| id(&Path::new("/proc/self/ns").join(kind.to_string()));
    namespaces(spec).any(|(other, path)| other == kind && path.is_none_or(|path| id(path) != own(kind)))
}

fn has_ids(spec: &Spec) -> bool {
    let mapped =
        spec.linux().as_ref().and_then(|linux| linux.uid_mappings().as_ref()).is_some_and(|all| !all.is_empty());
    namespaces(spec).any(|(kind, path)| kind == LinuxNamespaceType::User && (path.is_none() || mapped))
}

fn names(spec: &Spec) -> Result<Names> {
    let check = |what, name: &Option<String>| match name {
        Some(name) if name.is_empty() || name.len() > NAME_MAX_BYTES || name.contains('\0') => {
            Err(Error::invalid(what, name, "1 to 64 bytes"))
        }
        name => Ok(name.clone()),
    };
    Ok(Names {
        hostname: check("hostname (--hostname)", spec.hostname())?,
        domainname: check("domainname (--domainname)", spec.domainname())?,
    })
}

fn ids(spec: &Spec) -> Result<IdMaps> {
    let map = |mappings: Option<&Vec<LinuxIdMapping>>| {
        let range =
            |it: &LinuxIdMapping| IdRange { inside: it.container_id(), outside: it.host_id(), count: it.size() };
        mappings.into_iter().flatten().map(range).collect()
    };
    let linux = spec.linux().as_ref();
    let uids = map(linux.and_then(|linux| linux.uid_mappings().as_ref()));
    IdMaps { uids, gids: map(linux.and_then(|linux| linux.gid_mappings().as_ref())) }.checked()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{
        LinuxBuilder, LinuxNamespaceBuilder, ProcessBuilder, RootBuilder, SpecBuilder, UserBuilder,
    };

    fn spec(process: ProcessBuilder) -> Spec {
        let kinds = [LinuxNamespaceType::Uts, LinuxNamespaceType::Pid, LinuxNamespaceType::Mount];
        let namespaces: Vec<_> =
            kinds.into_iter().map(|kind| LinuxNamespaceBuilder::default().typ(kind).build().unwrap()).collect();
        let mut spec = SpecBuilder::default()
            .process(process.build().unwrap())
            .hostname("box")
            .linux(LinuxBuilder::default().namespaces(namespaces).build().unwrap())
            .build()
            .unwrap();
        spec.set_root(None).set_mounts(None);
        spec
    }

    fn process() -> ProcessBuilder {
        ProcessBuilder::default().args(vec!["true".to_string()]).cwd("/").env(vec!["A=1".to_string()])
    }

    fn refusal(spec: &Spec) -> String {
        Plan::from_spec("box", spec, Path::new("/")).unwrap_err().to_string()
    }

    #[test]
    fn a_spec_becomes_a_plan_without_questions() {
        let plan = Plan::from_spec("box", &spec(process()), Path::new("/")).unwrap();
        assert_eq!(plan.args, [c"true".to_owned()]);
        assert_eq!(plan.env, [c"A=1".to_owned()]);
        assert_eq!(plan.uts, Some(Names { hostname: Some("box".into()), domainname: None }));
        assert!(plan.new_pid && plan.new_mnt && !plan.new_ipc && !plan.init && !plan.terminal);
        assert_eq!(plan.rootfs, None);
    }

    #[test]
    fn a_refusal_names_the_field_and_the_right_values() {
        for (bad, words) in [
            (spec(process().args(Vec::<String>::new())), "process.args \"\" is not valid: a command"),
            (spec(process().args(vec!["a\0b".to_string()])), "without a NUL byte"),
            (spec(process().cwd("tmp")), "process.cwd (--workdir) \"tmp\" is not valid: an absolute path"),
            (spec(process().env(vec!["novalue".to_string()])), "\"novalue\" is not valid: NAME=value"),
            (spec(process().env(vec!["=x".to_string()])), "NAME=value"),
        ] {
            assert!(refusal(&bad).contains(words), "expected {words:?} in {:?}", refusal(&bad));
        }
    }

    #[test]
    fn the_last_number_is_no_id() {
        let user = |uid, gid, groups: &[u32]| {
            UserBuilder::default().uid(uid).gid(gid).additional_gids(groups.to_vec()).build().unwrap()
        };
        let last = u32::MAX;
        for bad in [user(last, 0, &[]), user(0, last, &[]), user(0, 0, &[7, last])] {
            assert!(refusal(&spec(process().user(bad))).contains("ids from 0 to 4294967294"));
        }
        let right = Plan::from_spec("box", &spec(process().user(user(last - 1, 5, &[7]))), Path::new("/")).unwrap();
        assert_eq!(right.user, User { uid: last - 1, gid: 5, groups: vec![7] });
    }

    #[test]
    fn a_host_name_has_at_most_64_bytes() {
        let mut spec = spec(process());
        spec.set_hostname(Some("h".repeat(64)));
        assert!(Plan::from_spec("box", &spec, Path::new("/")).is_ok());
        // 33 letters, 66 bytes: the kernel counts bytes.
        spec.set_hostname(Some("é".repeat(33)));
        assert!(refusal(&spec).contains("1 to 64 bytes"));
    }

    #[test]
    fn a_root_file_system_is_a_directory_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut spec = spec(process());
        spec.set_root(Some(RootBuilder::default().path("rootfs").build().unwrap()));
        let plan = |spec: &Spec| Plan::from_spec("box", spec, directory.path());
        assert!(plan(&spec).unwrap_err().to_string().contains("root.path (--rootfs)"));
        std::fs::create_dir(directory.path().join("rootfs")).unwrap();
        assert!(plan(&spec).unwrap().rootfs.unwrap().is_absolute());
    }

    #[test]
    fn a_namespace_with_a_path_is_joined_and_not_made() {
        let namespace = |kind, path: &str| LinuxNamespaceBuilder::default().typ(kind).path(path).build().unwrap();
        let mut spec = spec(process());
        let add = |spec: &mut Spec, one| {
            spec.linux_mut().as_mut().unwrap().namespaces_mut().as_mut().unwrap().push(one);
        };
        add(&mut spec, namespace(LinuxNamespaceType::Network, "/proc/1/ns/net"));
        add(&mut spec, namespace(LinuxNamespaceType::Ipc, ""));
        let plan = Plan::from_spec("box", &spec, Path::new("/")).unwrap();
        assert_eq!(plan.joins, [Join { kind: NsKind::Net, path: "/proc/1/ns/net".into() }]);
        assert!(plan.new_ipc && plan.joins(NsKind::Net) && !plan.joins(NsKind::Ipc));
        add(&mut spec, namespace(LinuxNamespaceType::Time, "ns/time"));
        assert!(refusal(&spec).contains("\"ns/time\" is not valid: an absolute path"));
        add(&mut spec, namespace(LinuxNamespaceType::Ipc, "/proc/1/ns/ipc"));
        assert!(refusal(&spec).contains("\"ns/time\""));
        spec.linux_mut()
            .as_mut()
            .unwrap()
            .namespaces_mut()
            .as_mut()
            .unwrap()
            .retain(|it| it.typ() != LinuxNamespaceType::Time);
        assert!(refusal(&spec).contains("each type once"));
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_state_directory() {
        for bad in ["", ".", "..", "../x", "a/b", "-rm", ".lock", &"n".repeat(65)] {
            assert!(checked_id(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(checked_id("web_1.2-b").is_ok());
    }
}
