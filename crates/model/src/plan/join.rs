//! Namespaces that are there already, and that a container shares with whoever is in them.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::namespaces;
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
