//! "Maps first, then what is forbidden."
//!
//! task: 3
//! test: task3_a_user_denies_setgroups_first
//! says: afterwards it cannot be denied any more

let write = |name: &str, text: &str| {
    fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
};
for (name, map) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
    // All lines at once: the kernel takes the first write for the whole map.
    write(name, &map.iter().map(|range| format!("{range}\n")).collect::<String>())?;
}
if !geteuid().is_root() {
    write("setgroups", "deny")?;
}
Ok(())
