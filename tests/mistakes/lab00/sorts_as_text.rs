//! "The names of the directories are strings; sort them and go through."
//!
//! task: 3
//! test: task3_the_list_is_every_process_grouped_by_namespace
//! says: as text 10 comes before 9

let mut names: Vec<String> =
    fs::read_dir("/proc").during("readdir", "/proc")?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
names.sort();
let mut members: BTreeMap<NsId, Vec<Pid>> = BTreeMap::new();
for pid in names.iter().filter_map(|name| name.parse().ok()).map(Pid::from_raw) {
    if let Ok(id) = identity(pid, kind) {
        members.entry(id).or_default().push(pid);
    }
}
Ok(members.into_iter().map(|(id, members)| Namespace { id, members }).collect())
