//! "A whiteout is a character device."
//!
//! task: 4
//! test: task4_files_of_every_kind_are_files
//! says: every character device was taken for a whiteout

let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    SFlag::S_IFCHR => Ok(Entry::Whiteout),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd }),
    _ => Ok(Entry::File(fd)),
}
