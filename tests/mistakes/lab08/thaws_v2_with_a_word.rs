//! "THAWED undoes it."
//!
//! task: 4
//! test: task4_they_go_on
//! says: v2 has numbers, not words: 0

let freezer = group.part("freezer")?;
match freezer.version() {
    Version::V1 => freezer.write("freezer.state", "THAWED"),
    Version::V2 => freezer.write("cgroup.freeze", "THAWED"),
}
