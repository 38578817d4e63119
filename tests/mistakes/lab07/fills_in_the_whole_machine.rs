//! "A container may run everywhere, unless somebody says otherwise."
//!
//! task: 3
//! test: task3_the_cpuset_is_the_parents
//! says: v1 wants a subset of the parent's

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
        let there = if knob == "cpuset.cpus" { "cpu" } else { "node" };
        let online = fs::read_to_string(format!("/sys/devices/system/{there}/online")).unwrap_or("0".into());
        group.write(knob, online.trim())?;
    }
}
Ok(group)
