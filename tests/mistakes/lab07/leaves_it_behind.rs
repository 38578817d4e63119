//! "An empty directory does no harm."
//!
//! task: 7
//! test: task7_a_refusal_is_reported
//! says: the group stays, and nobody knows of it

group.kill()?;
for path in group.parts().iter().filter_map(|part| part.tree().ok()).flatten() {
    for _ in 0..400 {
        match fs::remove_dir(&path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => sleep(Duration::from_millis(5)),
            _ => break,
        }
    }
}
Ok(())
