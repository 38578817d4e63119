//! "A new namespace begins where the identity changes."
//!
//! task: 3
//! test: task3_the_list_is_every_process_grouped_by_namespace
//! says: a namespace is listed twice

let mut list: Vec<Namespace> = Vec::new();
for entry in fs::read_dir("/proc").during("readdir", "/proc")? {
    let name = entry.during("readdir", "/proc")?.file_name();
    let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw) else { continue };
    let Ok(id) = identity(pid, kind) else { continue };
    match list.last_mut() {
        Some(last) if last.id == id => last.members.push(pid),
        _ => list.push(Namespace { id, members: vec![pid] }),
    }
}
list.sort_by_key(|namespace| namespace.id);
Ok(list)
