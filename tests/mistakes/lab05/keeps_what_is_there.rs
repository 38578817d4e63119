//! "Copied is copied: no need to do it twice."
//!
//! task: 2
//! test: task2_what_is_there_already_is_replaced
//! says: what was there already was kept

for program in programs {
    for file in libraries(program)?.iter().chain([program]) {
        let copy = rootfs.join(file.strip_prefix("/").unwrap_or(file));
        if !copy.exists() {
            fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
            fs::copy(file, &copy).during("copy", file.display())?;
        }
    }
}
Ok(())
