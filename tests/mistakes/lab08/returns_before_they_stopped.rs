//! "Written is done."
//!
//! task: 3
//! test: task3_it_returns_when_all_have_stopped
//! says: the write was taken for the deed

if group.processes()?.contains(&Pid::this()) {
    return Err(Error::invalid("the group to freeze", Pid::this().to_string(), "one that the caller is not in"));
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
