//! "rmdir takes what is in a directory with it."
//!
//! task: 7
//! test: task7_what_runs_in_it_is_ended
//! says: nobody has ended what lives in it

for part in group.parts() {
    for path in part.tree()? {
        let mut tries = 40;
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
