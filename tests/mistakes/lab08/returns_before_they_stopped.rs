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
if freezer.version() == Version::V1 {
    return freezer.write("freezer.state", "FROZEN");
}
freezer.write("cgroup.freeze", 1)?;
for _ in 0..400 {
    if freezer.read("cgroup.events")?.contains("frozen 1") {
        return Ok(());
    }
    sleep(Duration::from_millis(5));
}
thaw(group)?;
Err(Errno::EBUSY).during("freeze", freezer.path().display())
