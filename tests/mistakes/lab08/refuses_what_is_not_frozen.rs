//! "There is nothing to thaw."
//!
//! task: 4
//! test: task4_one_that_is_not_frozen_stays_as_it_is
//! says: the call refused what it should do

let freezer = group.part("freezer")?;
match freezer.version() {
    Version::V1 if freezer.read("freezer.state")?.trim() == "THAWED" => {
        Err(Errno::EINVAL).during("thaw", freezer.path().display())
    }
    Version::V1 => freezer.write("freezer.state", "THAWED"),
    Version::V2 if freezer.read("cgroup.freeze")?.trim() == "0" => {
        Err(Errno::EINVAL).during("thaw", freezer.path().display())
    }
    Version::V2 => freezer.write("cgroup.freeze", 0),
}
