//! Lab 00 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::fs;
use std::io;

use model::{During, Error, Namespace, NsId, NsKind, Result};
use nix::unistd::Pid;

/// The identity of the namespace of `kind` that the process `pid` lives in.
///
/// Source: namespaces(7), "The /proc/pid/ns/ directory".
///
/// # Errors
/// - [`Error::NoSuchProcess`] when there is no `/proc/PID`;
/// - [`Error::NoNamespace`] when the process is there but the file does not answer (ENOENT): a zombie,
///   or `pid_for_children` before the first child is born;
/// - [`Error::Os`] for everything else, above all EACCES: looking at a process needs the same rights as
///   tracing it (ptrace(2), PTRACE_MODE_READ).
pub fn identity(pid: Pid, kind: NsKind) -> Result<NsId> {
    let file = format!("/proc/{pid}/ns/{kind}");
    // The link's text is `uts:[4026531838]`; the number in it is the inode.
    let text = match fs::read_link(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(match fs::symlink_metadata(format!("/proc/{pid}")) {
                Ok(_) => Error::NoNamespace { pid, kind },
                Err(_) => Error::NoSuchProcess(pid),
            });
        }
        other => other.during("readlink", &file)?,
    };
    let text = text.to_string_lossy();
    text.split(['[', ']'])
        .nth(1)
        .and_then(|number| number.parse().ok())
        .map(NsId)
        .ok_or_else(|| Error::invalid("namespace link", text.clone(), "KIND:[NUMBER]"))
}

/// Whether two processes share the namespace of `kind`.
///
/// # Errors
/// Those of [`identity`], for either process: what cannot be read is not equal to anything.
pub fn same(a: Pid, b: Pid, kind: NsKind) -> Result<bool> {
    let (ours, theirs) = (identity(a, kind)?, identity(b, kind)?);
    Ok(ours == theirs)
}

/// Every namespace of `kind` that a visible process lives in, smallest identity first: what `lsns` prints.
///
/// Processes that end while we look, and those that we may not look at, are left out.
///
/// # Errors
/// [`Error::Os`] when `/proc` itself cannot be read.
pub fn list(kind: NsKind) -> Result<Vec<Namespace>> {
    let mut found: Vec<(NsId, Pid)> = Vec::new();
    for entry in fs::read_dir("/proc").during("open", "/proc")? {
        let name = entry.during("getdents", "/proc")?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let pid = Pid::from_raw(number);
        if let Ok(id) = identity(pid, kind) {
            found.push((id, pid));
        }
    }
    found.sort();
    Ok(found
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| Namespace { id: group[0].0, members: group.iter().map(|&(_, pid)| pid).collect() })
        .collect())
}
