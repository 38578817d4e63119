//! "O_PATH opens nothing, so nothing is followed."
//!
//! task: 4
//! test: task4_links_are_files_wherever_they_lead
//! says: the symbolic link was followed: O_NOFOLLOW

let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    SFlag::S_IFCHR if stat.st_rdev == 0 => Ok(Entry::Whiteout),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd }),
    _ => Ok(Entry::File(fd)),
}
