//! Flags become an OCI configuration: the one language that every container is described in.

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use model::caps::CapSet;
use model::ids::{IdMaps, IdRange};
use model::plan::{Join, LANDLOCK, User};
use model::{During, Error, NsKind, Result, plan};
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxResources, Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use crate::caps;
use crate::devices::{self, Devices};
use crate::flags::{Run, Whose};
use crate::images::Based;
use crate::mounts::{self, Asked, Places};
use crate::resources::resources;
use crate::security;

/// Docker's, so that programs are found wherever an image has them.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// In place of a command, for people to read.
const HOLDS: &str = "(holds its namespaces)";

/// What tells about the whole machine, or reads its memory: Docker's list.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What changes the whole machine when it is written to: Docker's list.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub(crate) type Built<T> = std::result::Result<T, OciSpecError>;

/// Who a container's processes are, which only the machine and the root file system can say.
#[derive(Debug)]
pub struct Who<'a> {
    /// The user and the groups inside.
    pub user: User,
    /// The user's home directory.
    pub home: String,
    /// Who they are outside; `None` for the same.
    pub ids: Option<&'a IdMaps>,
    /// The capabilities that there are to be given.
    pub available: CapSet,
    /// The namespaces that it shares with other containers, each by a path.
    pub joins: &'a [Join],
}

/// The configuration of the container `id`, which is to run as `who`; what boxwright makes for it goes below `places`.
///
/// # Errors
/// [`model::Error::Invalid`] for a mount or a device that cannot be right. Any other value is [`model::Plan`]'s to refuse.
pub fn from_flags(run: &Run, id: &str, places: &Places, who: &Who<'_>) -> Result<Spec> {
    if let (Some(_), false) = (run.storage_driver, has_layer(run)) {
        let right = "with --rootfs DIR: there is nothing to lay a layer over";
        return Err(Error::invalid("--storage-driver", "", right));
    }
    let asked = mounts::asked(run, places)?;
    let mut resources = resources(&run.limits)?;
    let Devices { nodes, rules, annotations } = devices::asked(run)?;
    resources.set_devices(Some(rules));
    let caps = caps::asked(run, who.available, who.user.uid == 0)?;
    let security = security::asked(run, caps.bounding)?;
    let made = spec(run, id, (places, who), asked, resources).and_then(|spec| Ok((spec, caps::to_oci(&caps)?)));
    let (mut spec, caps) = made.map_err(io::Error::other).during("make", "the OCI configuration")?;
    if let Some(process) = spec.process_mut() {
        process.set_capabilities(Some(caps)).set_no_new_privileges(Some(security.no_new_privileges));
        process.set_apparmor_profile(security.apparmor).set_selinux_label(security.selinux);
    }
    let landlock = security.landlock.iter().map(|path| (format!("{LANDLOCK}{}", path.display()), "true".into()));
    let layer = has_layer(run).then(|| (plan::LAYER.into(), places.layers.directory(id).display().to_string()));
    let image = run.image.iter().flat_map(image);
    let annotations = annotations.into_iter().chain(landlock).chain(layer).chain(image);
    spec.annotations_mut().get_or_insert_default().extend(annotations);
    let linux = spec.linux_mut().get_or_insert_default();
    linux.set_seccomp(security.seccomp);
    if security.shows_system_paths {
        linux.set_masked_paths(None).set_readonly_paths(None);
    }
    linux.set_devices(Some(nodes));
    let namespaces = linux.namespaces_mut().get_or_insert_default();
    namespaces.extend(who.joins.iter().flat_map(joined));
    if let Some(ids) = who.ids {
        if who.joins.iter().all(|join| join.kind != NsKind::User) {
            namespaces.extend(LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::User).build());
        }
        linux.set_uid_mappings(Some(mappings(&ids.uids))).set_gid_mappings(Some(mappings(&ids.gids)));
    }
    Ok(spec)
}

/// What the runtime is told of the image that the root file system is of.
fn image(image: &Based) -> Vec<(String, String)> {
    let chain: Vec<_> = image.chain.iter().map(|layer| layer.display().to_string()).collect();
    let chain = (!chain.is_empty()).then(|| (plan::LAYER_CHAIN.into(), chain.join(":")));
    chain.into_iter().chain([(plan::IMAGE.into(), image.id.clone())]).collect()
}

/// Only those that flags have words for.
fn joined(join: &Join) -> Built<LinuxNamespace> {
    let kind = match join.kind {
        NsKind::Ipc => LinuxNamespaceType::Ipc,
        NsKind::Net => LinuxNamespaceType::Network,
        NsKind::Pid => LinuxNamespaceType::Pid,
        NsKind::Uts => LinuxNamespaceType::Uts,
        _ => LinuxNamespaceType::User,
    };
    LinuxNamespaceBuilder::default().typ(kind).path(&join.path).build()
}

fn mappings(map: &[IdRange]) -> Vec<LinuxIdMapping> {
    let one = |range: &IdRange| {
        let mapping = LinuxIdMappingBuilder::default().container_id(range.inside).host_id(range.outside);
        mapping.size(range.count).build()
    };
    map.iter().flat_map(one).collect()
}

fn spec(
    run: &Run,
    id: &str,
    (places, who): (&Places, &Who<'_>),
    asked: Vec<Asked>,
    resources: LinuxResources,
) -> Built<Spec> {
    let mut spec = SpecBuilder::default()
        .version("1.2.0")
        .process(process(run, id, who)?)
        .hostname(run.hostname.as_deref().unwrap_or(id))
        .mounts(mounts::all(asked, run.rootfs.is_some(), has_queues(run))?)
        .annotations(annotations(run))
        .linux(linux(run, resources)?)
        .build()?;
    spec.set_domainname(run.domainname.clone());
    // Without a root in the configuration it keeps the caller's.
    let root = root(run, &places.container);
    let root = root.map(|path| RootBuilder::default().path(path).readonly(run.read_only).build());
    spec.set_root(root.transpose()?);
    Ok(spec)
}

fn process(run: &Run, id: &str, who: &Who<'_>) -> Built<Process> {
    let mut env =
        vec![PATH.into(), format!("HOME={}", who.home), format!("HOSTNAME={}", run.hostname.as_deref().unwrap_or(id))];
    env.extend(run.tty.then(|| "TERM=xterm".into()));
    env.extend(run.image.iter().flat_map(|image| image.env.iter().cloned()));
    env.extend(run.env.iter().cloned());
    let here = || env::current_dir().unwrap_or_else(|_| "/".into());
    let cwd = match (&run.workdir, &run.rootfs) {
        (Some(directory), _) => directory.clone(),
        (None, Some(_)) => "/".into(),
        (None, None) => here(),
    };
    let user = UserBuilder::default().uid(who.user.uid).gid(who.user.gid).additional_gids(who.user.groups.clone());
    let mut process = ProcessBuilder::default()
        .user(user.build()?)
        .terminal(run.tty)
        .args(if run.hold { vec![HOLDS.to_owned()] } else { run.command.clone() })
        .env(last_of_each(env))
        .cwd(cwd);
    if let Some(score) = run.oom_score_adj {
        process = process.oom_score_adj(score);
    }
    process.build()
}

/// Of several values for one variable the last one counts, in the place of the first.
pub(crate) fn last_of_each(env: Vec<String>) -> Vec<String> {
    let name = |pair: &str| pair.split_once('=').map(|(name, _)| name.to_owned());
    let mut kept: Vec<String> = Vec::new();
    for pair in env {
        match kept.iter_mut().find(|other| name(other).is_some() && name(other) == name(&pair)) {
            Some(other) => *other = pair,
            None => kept.push(pair),
        }
    }
    kept
}

fn linux(run: &Run, resources: LinuxResources) -> Built<Linux> {
    let is_own = |whose: &Option<Whose>| matches!(whose, None | Some(Whose::Private));
    let mut kinds = vec![LinuxNamespaceType::Mount, LinuxNamespaceType::Cgroup];
    kinds.extend(is_own(&run.uts).then_some(LinuxNamespaceType::Uts));
    kinds.extend(is_own(&run.pid).then_some(LinuxNamespaceType::Pid));
    kinds.extend(is_own(&run.ipc).then_some(LinuxNamespaceType::Ipc));
    let linux = LinuxBuilder::default().resources(resources);
    let namespaces = kinds.into_iter().map(|kind| LinuxNamespaceBuilder::default().typ(kind).build());
    // The host's own /proc and /sys stay as they are for whoever keeps its root.
    let hidden = |paths: &[&str]| paths.iter().filter(|_| run.rootfs.is_some()).map(ToString::to_string).collect();
    let linux = linux.masked_paths::<Vec<_>>(hidden(&MASKED)).readonly_paths::<Vec<_>>(hidden(&READ_ONLY));
    linux.namespaces(namespaces.collect::<Built<Vec<_>>>()?).build()
}

/// Whether there are queues to be seen that are not the host's.
fn has_queues(run: &Run) -> bool {
    run.ipc != Some(Whose::Host)
}

/// What Docker knows and the OCI specification does not.
fn annotations(run: &Run) -> HashMap<String, String> {
    let from_host = run.rootfs.as_deref() == Some(Path::new("host"));
    let read_only = run.read_only && run.rootfs.is_none();
    let all = [
        (plan::LAYER_GOES, run.rm && has_layer(run)),
        (plan::INIT, run.init),
        (plan::HOLD, run.hold),
        (plan::STDIN, run.interactive),
        (plan::FROM_HOST, from_host),
        (plan::READ_ONLY, read_only),
    ];
    let flags = all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name.into(), "true".into()));
    let driver = run.storage_driver.and_then(|driver| Some(driver.to_possible_value()?.get_name().to_owned()));
    flags.chain(driver.map(|driver| (plan::STORAGE_DRIVER.into(), driver))).collect()
}

/// Whether what it writes goes to a layer of its own: the host's root has none, and one that is built for it is its own.
fn has_layer(run: &Run) -> bool {
    run.rootfs.as_deref().is_some_and(|root| root != Path::new("host"))
}

fn root(run: &Run, directory: &Path) -> Option<PathBuf> {
    match run.rootfs.as_deref()? {
        word if word == Path::new("host") => Some(directory.join("rootfs")),
        path => Some(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, Flags};
    use clap::Parser;

    fn flags(line: &str) -> Run {
        match Flags::parse_from(line.split(' ')).command {
            Command::Run(run) => *run,
            other => panic!("expected run, got {other:?}"),
        }
    }

    fn spec(line: &str) -> Spec {
        let (volumes, layers) = (model::VolumeDir::of_the_caller(), model::Layers::of_the_caller());
        let places = Places { container: "/state/box".into(), volumes, layers };
        let who = Who { user: User::default(), home: "/root".into(), ids: None, available: CapSet::ALL, joins: &[] };
        from_flags(&flags(line), "box", &places, &who).unwrap()
    }

    #[test]
    fn flags_after_the_command_are_the_commands() {
        for line in ["boxwright run -t ls -i --rootfs x", "boxwright run -t -- ls -i --rootfs x"] {
            let run = flags(line);
            assert_eq!(run.command, ["ls", "-i", "--rootfs", "x"], "{line}");
            assert!(run.tty && !run.interactive && run.rootfs.is_none(), "{line}");
        }
    }

    #[test]
    fn a_default_asks_for_no_lab() {
        assert_eq!(flags("boxwright run ls").asks_for(), Vec::<u8>::new());
        assert_eq!(flags("boxwright run --ipc host ls").asks_for(), Vec::<u8>::new());
        assert_eq!(flags("boxwright run --hostname a --ipc private --init ls").asks_for(), [1, 2, 3]);
        assert_eq!(flags("boxwright run --rootfs host ls").asks_for(), [4, 5]);
        assert_eq!(flags("boxwright run -v /a:/b ls").asks_for(), [4, 6]);
        assert_eq!(flags("boxwright run --read-only --rootfs host ls").asks_for(), [4, 5, 6]);
        assert_eq!(flags("boxwright run --device /dev/fuse ls").asks_for(), [6, 7, 8]);
    }

    #[test]
    fn the_words_reach_the_configuration() {
        let spec = spec("boxwright run --rootfs host --init --env A=1 --env A=2 --workdir /tmp -t ls -l");
        let process = spec.process().as_ref().unwrap();
        assert_eq!(process.args().as_ref().unwrap(), &["ls", "-l"]);
        assert_eq!(process.cwd(), Path::new("/tmp"));
        assert_eq!(process.terminal(), Some(true));
        let env = process.env().as_ref().unwrap();
        assert!(env.contains(&"A=2".into()) && !env.contains(&"A=1".into()) && env.contains(&"HOSTNAME=box".into()));
        assert_eq!(spec.root().as_ref().unwrap().path(), Path::new("/state/box/rootfs"));
        assert_eq!(spec.hostname().as_deref(), Some("box"));
        assert!(spec.annotations().as_ref().unwrap().contains_key(plan::INIT));
    }

    #[test]
    fn the_hosts_queues_are_not_mounted() {
        let kinds = |spec: &Spec| -> Vec<String> {
            spec.mounts().iter().flatten().filter_map(|mount| mount.typ().clone()).collect()
        };
        assert_eq!(kinds(&spec("boxwright run ls")), ["proc", "mqueue"]);
        assert_eq!(kinds(&spec("boxwright run --ipc host ls")), ["proc"]);
        assert_eq!(kinds(&spec("boxwright run --ipc host --rootfs host ls")), ["proc", "tmpfs", "devpts", "tmpfs"]);
    }
}
