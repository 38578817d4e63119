//! "mkdir makes a group, and that is that."
//!
//! task: 3
//! test: task3_the_group_takes_a_process_in
//! says: on v1 a new group has neither processors nor memory nodes

for (made, part) in parent.parts().iter().enumerate() {
    if let Err(errno) = mkdirat(part, name, Mode::from_bits_retain(0o755)) {
        for ours in &parent.parts()[..made] {
            fs::remove_dir(ours.path().join(name)).during("rmdir", name)?;
        }
        return Err(errno).during("mkdir", part.path().join(name).display());
    }
}
parent.child(name)
