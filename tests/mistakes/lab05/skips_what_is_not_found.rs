//! "No path in the line, nothing to copy."
//!
//! task: 1
//! test: task1_a_missing_library_is_an_error
//! says: the line with "not found" was skipped

fs::metadata(program).during("stat", program.display())?;
let output = Command::new("ldd").arg(program).output().during("run ldd", program.display())?;
let text = String::from_utf8_lossy(&output.stdout);
let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
Ok(text.lines().filter_map(path).collect())
