//! "The group is a directory, and a directory is removed by its path."
//!
//! task: 7
//! test: task7_groups_below_go_first
//! says: the groups below are still there

group.kill()?;
for path in group.paths() {
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
Ok(())
