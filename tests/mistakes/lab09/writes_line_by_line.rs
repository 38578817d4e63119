//! "A line, a write."
//!
//! task: 3
//! test: task3_root_gives_ranges_in_one_write
//! says: All lines go into one write

let write = |name: &str, text: &str| {
    fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
};
if !geteuid().is_root() {
    write("setgroups", "deny")?;
}
for (name, map) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
    for range in map {
        write(name, &format!("{range}\n"))?;
    }
}
Ok(())
