//! "Who would do that?"
//!
//! task: 3
//! test: task3_the_callers_own_group_is_refused
//! says: it froze itself, and nobody is left to thaw it

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
