//! "bin for programs, lib for libraries: nice and tidy."
//!
//! task: 2
//! test: task2_the_programs_run_below_the_rootfs
//! says: it was copied to another path than its own

for program in programs {
    let files = libraries(program)?;
    for (file, place) in files.iter().map(|file| (file, "lib")).chain([(program, "bin")]) {
        let directory = rootfs.join(place);
        fs::create_dir_all(&directory).during("mkdir", directory.display())?;
        fs::copy(file, directory.join(file.file_name().unwrap_or_default())).during("copy", file.display())?;
    }
}
Ok(())
