//! "The programs are asked for, so the programs are copied."
//!
//! task: 2
//! test: task2_the_programs_run_below_the_rootfs
//! says: although the program is there

for program in programs {
    fs::metadata(program).during("stat", program.display())?;
    let copy = rootfs.join(program.strip_prefix("/").unwrap_or(program));
    fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
    fs::copy(program, &copy).during("copy", program.display())?;
}
Ok(())
