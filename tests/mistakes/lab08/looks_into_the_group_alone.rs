//! "Am I in it? No."
//!
//! task: 3
//! test: task3_a_group_above_the_callers_is_refused
//! says: the group itself was looked into, and none below it

if group.processes()?.contains(&Pid::this()) {
    return Err(Error::invalid("the group to freeze", Pid::this().to_string(), "one that the caller is not in"));
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
thaw(group)?;
Err(Errno::EBUSY).during("freeze", freezer.path().display())
