//! "A whiteout has number 0."
//!
//! task: 4
//! test: task4_files_of_every_kind_are_files
//! says: st_rdev is 0 for all that is no device

let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    kind if kind != SFlag::S_IFDIR && stat.st_rdev == 0 => Ok(Entry::Whiteout),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: is_opaque(fd.as_fd(), marks)?, fd }),
    _ => Ok(Entry::File(fd)),
}
