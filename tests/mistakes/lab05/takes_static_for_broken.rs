//! "A command that ends with 1 has failed."
//!
//! task: 1
//! test: task1_a_static_program_needs_none
//! says: which is no failure: there is nothing to copy

fs::metadata(program).during("stat", program.display())?;
let output = Command::new("ldd").arg(program).output().during("run ldd", program.display())?;
let text = String::from_utf8_lossy(&output.stdout);
if !output.status.success() || text.contains("not found") {
    return Err(Error::invalid("program", text, "one that ldd understands"));
}
let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
Ok(text.lines().filter_map(path).collect())
