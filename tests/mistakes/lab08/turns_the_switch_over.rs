//! "Frozen or not: the other one."
//!
//! task: 4
//! test: task4_one_that_is_not_frozen_stays_as_it_is
//! says: the knob was turned over instead of set

let freezer = group.part("freezer")?;
match freezer.version() {
    Version::V1 if freezer.read("freezer.state")?.trim() == "THAWED" => freezer.write("freezer.state", "FROZEN"),
    Version::V1 => freezer.write("freezer.state", "THAWED"),
    Version::V2 if freezer.read("cgroup.freeze")?.trim() == "0" => freezer.write("cgroup.freeze", 1),
    Version::V2 => freezer.write("cgroup.freeze", 0),
}
