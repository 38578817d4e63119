//! "The attribute is there."
//!
//! task: 4
//! test: task4_only_this_mark_makes_a_directory_opaque
//! says: has the value y, exactly

let fd = match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
    Err(Errno::ENOENT) => return Ok(Entry::Missing),
    fd => fd.during("openat", name.display())?,
};
let stat = fstat(&fd).during("fstat", name.display())?;
match kind(&stat) {
    SFlag::S_IFCHR if stat.st_rdev == 0 => Ok(Entry::Whiteout),
    SFlag::S_IFDIR => Ok(Entry::Directory { opaque: xattr::get_deref(place(fd.as_fd()), marks.opaque()).is_ok_and(|value| value.is_some()), fd }),
    _ => Ok(Entry::File(fd)),
}
