//! "write! writes."
//!
//! task: 3
//! test: task3_a_single_id
//! test: task3_root_gives_ranges_in_one_write
//! says: write!() to a File writes piece by piece

let write = |name: &str, text: &str| {
    fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
};
if !geteuid().is_root() {
    write("setgroups", "deny")?;
}
for (name, map) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
    let mut file = File::options().write(true).open(format!("/proc/{process}/{name}")).during("open", name)?;
    for range in map {
        writeln!(file, "{range}").during("write", name)?;
    }
}
Ok(())
