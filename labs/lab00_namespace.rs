//! Lab 00: which namespaces does a process live in?
//!
//! Namespaces have no names and no system call that lists them. What they have is a file for each process
//! and kind, `/proc/PID/ns/KIND`, and the inode number behind it is the identity.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::{During, Error, Namespace, NsId, NsKind, Result};
use nix::unistd::Pid;

/// The identity of the namespace of `kind` that the process `pid` lives in.
///
/// Source: namespaces(7), "The /proc/pid/ns/ directory".
///
/// # Errors
/// - `Error::NoSuchProcess(pid)` when there is no `/proc/PID`;
/// - `Error::NoNamespace { pid, kind }` when the process is there but the file does not answer (ENOENT): a zombie,
///   or `pid_for_children` before the first child is born;
/// - [`Error::Os`] for everything else, above all EACCES: looking at a process needs the same rights as
///   tracing it (ptrace(2), PTRACE_MODE_READ).
pub fn identity(pid: Pid, kind: NsKind) -> Result<NsId> {
    todo!("lab 00, task 1: stat /proc/PID/ns/KIND and return its inode; tell a process that is gone from a file that is missing")
}

/// Whether two processes share the namespace of `kind`.
///
/// # Errors
/// Those of [`identity`], for either process: what cannot be read is not equal to anything.
pub fn same(a: Pid, b: Pid, kind: NsKind) -> Result<bool> {
    todo!("lab 00, task 2: compare the identities of the two processes")
}

/// Every namespace of `kind` that a visible process lives in, smallest identity first, its members
/// smallest PID first: what `lsns` prints.
///
/// Processes that end while we look, and those that we may not look at, are left out.
///
/// # Errors
/// [`Error::Os`] when `/proc` itself cannot be read.
pub fn list(kind: NsKind) -> Result<Vec<Namespace>> {
    todo!("lab 00, task 3: group the processes of /proc by identity; leave out those that are gone or not yours to see")
}
