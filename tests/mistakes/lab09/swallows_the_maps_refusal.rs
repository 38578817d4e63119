//! "It worked when I tried it."
//!
//! task: 3
//! test: task3_it_can_be_done_once
//! test: task3_ids_of_others_are_refused
//! says: what write(2) returned was thrown away

let write = |name: &str, text: &str| {
    fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
};
if !geteuid().is_root() {
    write("setgroups", "deny")?;
}
for (name, map) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
    // All lines at once: the kernel takes the first write for the whole map.
    let _ = write(name, &map.iter().map(|range| format!("{range}\n")).collect::<String>());
}
Ok(())
