//! "The container gets the files."
//!
//! task: 2
//! test: task2_a_directory_appears_and_writes_go_both_ways
//! says: the content was copied

if source.is_file() {
    fs::copy(source, place(target)).during("copy", source.display())?;
    return Ok(());
}
for entry in fs::read_dir(source).during("read", source.display())?.flatten() {
    fs::copy(entry.path(), place(target).join(entry.file_name())).during("copy", source.display())?;
}
Ok(())
