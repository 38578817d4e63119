//! "The first word of each line is the library."
//!
//! task: 1
//! test: task1_the_libraries_and_the_loader_are_found
//! says: these are names; the path

fs::metadata(program).during("stat", program.display())?;
let output = Command::new("ldd").arg(program).output().during("run ldd", program.display())?;
let text = String::from_utf8_lossy(&output.stdout);
if text.contains("not found") {
    return Err(Error::invalid("library", text, "install it"));
}
Ok(text.lines().filter(|line| line.contains("=>")).filter_map(|line| line.split_whitespace().next()).map(PathBuf::from).collect())
