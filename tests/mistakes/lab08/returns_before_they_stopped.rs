//! "Written is done."
//!
//! task: 3
//! test: task3_it_returns_when_all_have_stopped
//! says: the write was taken for the deed

let own = Pid::this().to_string();
let processes = |path: PathBuf| fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
if group.part("freezer")?.tree()?.into_iter().map(processes).any(|processes| processes.lines().any(|pid| pid == own)) {
    return Err(Error::invalid("the group to freeze", own, "one that the caller is neither in nor below"));
}

let freezer = group.part("freezer")?;
match freezer.version() {
    Version::V1 => freezer.write("freezer.state", "FROZEN"),
    Version::V2 => {
        freezer.write("cgroup.freeze", 1)?;
        while !freezer.read("cgroup.events")?.contains("frozen 1") {
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
