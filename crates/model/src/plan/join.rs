//! Namespaces that are there already, and that a container shares with whoever is in them.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};

use super::{LANDLOCK, Plan, STDIN, namespaces};
use crate::error::{Error, Result};
use crate::namespace::NsKind;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Its kind.
    pub kind: NsKind,
    /// A file that stands for it, such as `/proc/PID/ns/net`, as the host sees it.
    pub path: PathBuf,
}

impl Plan {
    /// What a process is to be that joins the container `id`, which is made of `spec`. `stdin` is whether it gets the caller's.
    ///
    /// # Errors
    /// As [`Plan::from_spec`].
    pub fn joining(id: &str, spec: &Spec, process: Process, stdin: bool) -> Result<Plan> {
        let mut spec = spec.clone();
        // What is made for a container once is there.
        spec.set_process(Some(process)).set_root(None).set_mounts(None).set_hooks(None);
        spec.set_hostname(None).set_domainname(None);
        if let Some(linux) = spec.linux_mut() {
            linux.set_devices(None).set_resources(None).set_masked_paths(None).set_readonly_paths(None);
            linux.set_sysctl(None).set_time_offsets(None).set_rootfs_propagation(None);
            // Who its users are outside belongs to this one.
            if let Some(namespaces) = linux.namespaces_mut() {
                namespaces.retain(|namespace| namespace.typ() == LinuxNamespaceType::User);
            }
        }
        let annotations = spec.annotations_mut().get_or_insert_default();
        annotations.retain(|name, _| name.starts_with(LANDLOCK));
        annotations.extend(stdin.then(|| (STDIN.to_owned(), "true".to_owned())));
        Plan::from_spec(id, &spec, Path::new("/"))
    }
}

/// What `spec` names by a path. An empty path is none, as it is for runc.
pub(super) fn joins(spec: &Spec) -> Result<Vec<Join>> {
    let mut joins = Vec::new();
    let mut seen = Vec::new();
    for (kind, path) in namespaces(spec) {
        if seen.contains(&kind) {
            return Err(Error::invalid("linux.namespaces", kind.to_string(), "each type once"));
        }
        seen.push(kind);
        let Some(path) = path else { continue };
        if !path.is_absolute() {
            return Err(Error::invalid("linux.namespaces path", path.to_string_lossy(), "an absolute path"));
        }
        joins.push(Join { kind: ns_kind(kind), path: path.clone() });
    }
    Ok(joins)
}

const fn ns_kind(kind: LinuxNamespaceType) -> NsKind {
    match kind {
        LinuxNamespaceType::Mount => NsKind::Mnt,
        LinuxNamespaceType::Cgroup => NsKind::Cgroup,
        LinuxNamespaceType::Uts => NsKind::Uts,
        LinuxNamespaceType::Ipc => NsKind::Ipc,
        LinuxNamespaceType::User => NsKind::User,
        LinuxNamespaceType::Pid => NsKind::Pid,
        LinuxNamespaceType::Network => NsKind::Net,
        LinuxNamespaceType::Time => NsKind::Time,
    }
}
