//! "Better safe."
//!
//! task: 3
//! test: task3_root_leaves_setgroups_allowed
//! says: setgroups was denied to everybody

let write = |name: &str, text: &str| {
    fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
};
write("setgroups", "deny")?;
for (name, map) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
    // All lines at once: the kernel takes the first write for the whole map.
    write(name, &map.iter().map(|range| format!("{range}\n")).collect::<String>())?;
}
Ok(())
