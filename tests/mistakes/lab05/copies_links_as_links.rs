//! "A faithful copy keeps a link a link, as cp -a does."
//!
//! task: 2
//! test: task2_a_link_is_copied_as_what_it_leads_to
//! says: the link was copied as a link, and dangles

for program in programs {
    for file in libraries(program)?.iter().chain([program]) {
        let copy = rootfs.join(file.strip_prefix("/").unwrap_or(file));
        fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
        let _ = fs::remove_file(&copy);
        match fs::read_link(file) {
            Ok(target) => std::os::unix::fs::symlink(target, &copy).during("symlink", copy.display())?,
            Err(_) => drop(fs::copy(file, &copy).during("copy", file.display())?),
        }
    }
}
Ok(())
