//! "A processor is what a process runs on."
//!
//! task: 3
//! test: task3_the_cpuset_is_the_parents
//! says: who is to run on a processor needs memory too

for (made, part) in parent.parts().iter().enumerate() {
    if let Err(errno) = mkdirat(part, name, Mode::from_bits_retain(0o755)) {
        for ours in &parent.parts()[..made] {
            fs::remove_dir(ours.path().join(name)).during("rmdir", name)?;
        }
        return Err(errno).during("mkdir", part.path().join(name).display());
    }
}
let group = parent.child(name)?;
if group.version("cpuset").is_ok_and(|version| version == Version::V1) {
    for knob in ["cpuset.cpus", "cpuset.mems"] {
        if knob == "cpuset.cpus" {
            group.write(knob, parent.read(knob)?.trim())?;
        }
    }
}
Ok(group)
