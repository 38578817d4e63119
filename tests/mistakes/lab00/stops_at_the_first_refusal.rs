//! "An error is an error: give it to the caller."
//!
//! task: 3
//! test: task3_processes_that_cannot_be_read_are_left_out
//! says: it is no reason to give up

let mut members: BTreeMap<NsId, Vec<Pid>> = BTreeMap::new();
for entry in fs::read_dir("/proc").during("readdir", "/proc")? {
    let name = entry.during("readdir", "/proc")?.file_name();
    let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw) else { continue };
    members.entry(identity(pid, kind)?).or_default().push(pid);
}
Ok(members.into_iter().map(|(id, members)| Namespace { id, members }).collect())
