//! "A directory with files in it wants remove_dir_all."
//!
//! task: 7
//! test: task7_an_empty_group_is_removed_in_every_hierarchy
//! says: the knobs were to be removed

group.kill()?;
for path in group.paths().iter().filter(|path| path.exists()) {
    fs::remove_dir_all(path).during("rm -r", path.display())?;
}
Ok(())
