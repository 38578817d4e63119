//! "The old one is in the way."
//!
//! task: 1
//! test: task1_a_reader_sees_the_old_or_the_new
//! says: the path has to have a whole file at every moment

match fs::remove_file(path) {
    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
    removed => removed.during("unlink", path.display())?,
}
let name = path.file_name().unwrap_or_default().to_string_lossy();
let new = path.with_file_name(format!(".{name}.new"));
fs::write(&new, content).during("write", new.display())?;
fs::rename(&new, path).during("rename", path.display())
