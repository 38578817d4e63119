//! "Two files, two maps."
//!
//! task: 3
//! test: task3_root_gives_ranges_in_one_write
//! says: each map is in the other's file

let write = |name: &str, text: &str| {
    fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
};
if !geteuid().is_root() {
    write("setgroups", "deny")?;
}
for (name, map) in [("uid_map", &maps.gids), ("gid_map", &maps.uids)] {
    // All lines at once: the kernel takes the first write for the whole map.
    write(name, &map.iter().map(|range| format!("{range}\n")).collect::<String>())?;
}
Ok(())
