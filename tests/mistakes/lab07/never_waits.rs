//! "What is killed is gone."
//!
//! task: 7
//! test: task7_what_is_slow_to_die_is_waited_for
//! says: what was killed is in its group until it is gone

group.kill()?;
for part in group.parts() {
    for path in part.tree()? {
        match fs::remove_dir(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).during("rmdir", path.display()),
            _ => {}
        }
    }
}
Ok(())
