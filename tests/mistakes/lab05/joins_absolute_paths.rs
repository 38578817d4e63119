//! "join() puts one path below another."
//!
//! task: 2
//! test: task2_the_programs_run_below_the_rootfs
//! says: the copy went onto the host's own file

for program in programs {
    for file in libraries(program)?.iter().chain([program]) {
        let copy = rootfs.join(file);
        fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
        fs::copy(file, &copy).during("copy", file.display())?;
    }
}
Ok(())
