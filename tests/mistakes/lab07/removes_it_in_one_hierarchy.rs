//! "The group is where its controller is."
//!
//! task: 7
//! test: task7_an_empty_group_is_removed_in_every_hierarchy
//! test: run_no_group_is_left
//! says: and stays in the others

group.kill()?;
for part in &group.parts()[..1] {
    for path in part.tree()? {
        let mut tries = 400;
        while let Err(error) = fs::remove_dir(&path) {
            match error.kind() {
                ErrorKind::NotFound => break,
                ErrorKind::ResourceBusy if tries > 0 => tries -= 1,
                _ => return Err(error).during("rmdir", path.display()),
            }
            sleep(Duration::from_millis(5));
        }
    }
}
Ok(())
