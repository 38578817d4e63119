//! "create_dir_all is the kinder mkdir."
//!
//! task: 3
//! test: task3_one_that_is_there_is_left_alone
//! says: EEXIST was taken for success

for part in parent.parts() {
    let path = part.path().join(name);
    fs::create_dir_all(&path).during("mkdir", path.display())?;
}
let group = parent.child(name)?;
if group.version("cpuset").is_ok_and(|version| version == Version::V1) {
    for knob in ["cpuset.cpus", "cpuset.mems"] {
        group.write(knob, parent.read(knob)?.trim())?;
    }
}
Ok(group)
