//! Lab 00 by readlink(2): the number stands in the text of the link, between brackets.
//!
//! alternative: whole file

use std::collections::HashMap;
use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;

use model::{During, Error, Namespace, NsId, NsKind, Result};
use nix::unistd::Pid;

/// See the solution.
pub fn identity(pid: Pid, kind: NsKind) -> Result<NsId> {
    let process = PathBuf::from("/proc").join(pid.to_string());
    // The directory first: what is missing later is missing from a process that was there.
    if !process.try_exists().during("stat", process.display())? {
        return Err(Error::NoSuchProcess(pid));
    }
    let link = process.join("ns").join(kind.file_name());
    let target = match link.read_link() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::NoNamespace { pid, kind }),
        read => read.during("readlink", link.display())?,
    };
    let number = target.to_str().and_then(|text| text.rsplit_once('[')?.1.strip_suffix(']')?.parse().ok());
    number.map(NsId).ok_or_else(|| IoError::from(ErrorKind::InvalidData)).during("readlink", link.display())
}

/// See the solution.
pub fn same(a: Pid, b: Pid, kind: NsKind) -> Result<bool> {
    let (a, b) = (identity(a, kind)?, identity(b, kind)?);
    Ok(a.0 == b.0)
}

/// See the solution.
pub fn list(kind: NsKind) -> Result<Vec<Namespace>> {
    let mut groups: HashMap<NsId, Vec<i32>> = HashMap::new();
    let entries = std::fs::read_dir("/proc").during("opendir", "/proc")?;
    for pid in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<i32>().ok()) {
        match identity(Pid::from_raw(pid), kind) {
            Ok(id) => groups.entry(id).or_default().push(pid),
            Err(_) => continue,
        }
    }
    let mut list: Vec<Namespace> = groups
        .into_iter()
        .map(|(id, mut pids)| {
            pids.sort_unstable();
            Namespace { id, members: pids.into_iter().map(Pid::from_raw).collect() }
        })
        .collect();
    list.sort_unstable_by_key(|namespace| namespace.id);
    Ok(list)
}
