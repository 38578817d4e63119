//! "Temporary files belong into the temporary directory."
//!
//! task: 1
//! test: task1_all_of_it_is_there
//! says: only the file's own directory is sure to be writable

let new = Path::new("/dev/shm").join(format!("new-{}", std::process::id()));
fs::write(&new, content).during("write", new.display())?;
let renamed = fs::rename(&new, path).during("rename", path.display());
if renamed.is_err() {
    let _ = fs::remove_file(&new);
}
renamed
