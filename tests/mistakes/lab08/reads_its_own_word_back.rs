//! "1 is in there, so it is frozen."
//!
//! task: 3
//! test: task3_it_returns_when_all_have_stopped
//! says: cgroup.freeze reads back what was written to it

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
            freezer.read("cgroup.freeze")?.trim() == "1"
        }
    };
    if is_frozen {
        return Ok(());
    }
    sleep(Duration::from_millis(5));
}
thaw(group)?;
Err(Errno::EBUSY).during("freeze", freezer.path().display())
