//! "0 undoes it."
//!
//! task: 4
//! test: task4_they_go_on
//! says: v1 has words, not numbers: THAWED

let freezer = group.part("freezer")?;
match freezer.version() {
    Version::V1 => freezer.write("freezer.state", 0),
    Version::V2 => freezer.write("cgroup.freeze", 0),
}
