//! "It did not work: say so."
//!
//! task: 3
//! test: task3_who_does_not_stop_in_time_goes_on
//! says: the group is still asked to freeze

let own = Pid::this().to_string();
let processes = |path: PathBuf| fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
if group.part("freezer")?.tree()?.into_iter().map(processes).any(|processes| processes.lines().any(|pid| pid == own)) {
    return Err(Error::invalid("the group to freeze", own, "one that the caller is neither in nor below"));
}
let freezer = group.part("freezer")?;
for _ in 0..400 {
    let is_frozen = match freezer.version() {
        Version::V1 => {
            freezer.write("freezer.state", "FROZEN")?;
            freezer.read("freezer.state")?.trim() == "FROZEN"
        }
        Version::V2 => {
            freezer.write("cgroup.freeze", 1)?;
            freezer.read("cgroup.events")?.contains("frozen 1")
        }
    };
    if is_frozen {
        return Ok(());
    }
    sleep(Duration::from_millis(5));
}
Err(Errno::EBUSY).during("freeze", freezer.path().display())
