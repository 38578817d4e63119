//! "Opaque is for the layer itself."
//!
//! task: 4
//! test: task4_an_opaque_directory_of_the_kernels
//! says: the attribute marks.opaque() was not asked for

let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    SFlag::S_IFCHR if stat.st_rdev == 0 => Ok(Entry::Whiteout),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(directory, marks)?, fd }),
    _ => Ok(Entry::File(fd)),
}
