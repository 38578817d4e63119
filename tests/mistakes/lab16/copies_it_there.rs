//! "Once it is whole, it can be copied to its place."
//!
//! task: 1
//! test: task1_all_of_it_is_there
//! says: a copy leaves its source; a rename does not

let name = path.file_name().unwrap_or_default().to_string_lossy();
let new = path.with_file_name(format!(".{name}.new"));
fs::write(&new, content).during("write", new.display())?;
fs::copy(&new, path).map(drop).during("copy", path.display())
