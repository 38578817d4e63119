//! "On an error everything of that name goes."
//!
//! task: 3
//! test: task3_one_that_is_there_is_left_alone
//! says: somebody else's group was removed

for part in parent.parts() {
    if let Err(errno) = mkdirat(part, name, Mode::from_bits_retain(0o755)) {
        for part in parent.parts() {
            let _ = fs::remove_dir(part.path().join(name));
        }
        return Err(errno).during("mkdir", part.path().join(name).display());
    }
}
let group = parent.child(name)?;
if group.version("cpuset").is_ok_and(|version| version == Version::V1) {
    for knob in ["cpuset.cpus", "cpuset.mems"] {
        group.write(knob, parent.read(knob)?.trim())?;
    }
}
Ok(group)
