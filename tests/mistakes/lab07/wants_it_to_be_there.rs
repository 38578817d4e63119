//! "What is to be removed is there."
//!
//! task: 7
//! test: task7_one_that_is_gone_is_as_good_as_removed
//! says: what is gone already is as good as removed

group.kill()?;
for part in group.parts() {
    let mut paths = part.tree()?;
    if paths.is_empty() {
        paths.push(part.path().to_owned());
    }
    for path in paths {
        let mut tries = 400;
        while let Err(error) = fs::remove_dir(&path) {
            match error.kind() {
                ErrorKind::ResourceBusy if tries > 0 => tries -= 1,
                _ => return Err(error).during("rmdir", path.display()),
            }
            sleep(Duration::from_millis(5));
        }
    }
}
Ok(())
