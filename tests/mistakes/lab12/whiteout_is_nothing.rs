//! "What is hidden is not there."
//!
//! task: 4
//! test: task4_what_the_kernel_hides_is_a_whiteout
//! says: a whiteout was taken for nothing

let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    SFlag::S_IFCHR if stat.st_rdev == 0 => Ok(Entry::Missing),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd }),
    _ => Ok(Entry::File(fd)),
}
