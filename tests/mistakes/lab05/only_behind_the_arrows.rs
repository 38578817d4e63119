//! "ldd writes name => path, so I take what stands behind the arrows."
//!
//! task: 1
//! test: task1_the_libraries_and_the_loader_are_found
//! test: task2_the_programs_run_below_the_rootfs
//! says: the loader is missing

let output = Command::new("ldd").arg(program).output().during("run ldd", program.display())?;
fs::metadata(program).during("stat", program.display())?;
let text = String::from_utf8_lossy(&output.stdout);
if text.contains("not found") {
    return Err(Error::invalid("library", text, "install it"));
}
let path = |line: &str| Some(PathBuf::from(line.split_once("=> ")?.1.split_whitespace().next()?));
Ok(text.lines().filter_map(path).collect())
