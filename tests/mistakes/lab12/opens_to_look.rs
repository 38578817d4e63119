//! "To look at it, it has to be opened."
//!
//! task: 4
//! test: task4_the_descriptor_names_the_entry_and_nothing_more
//! says: O_PATH was left out: to open a FIFO

let fd = match openat(directory, name, OFlag::O_NONBLOCK | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    SFlag::S_IFCHR if stat.st_rdev == 0 => Ok(Entry::Whiteout),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd }),
    _ => Ok(Entry::File(fd)),
}
