//! "Empty is hidden."
//!
//! task: 7
//! test: task7_a_directory_is_empty_and_read_only
//! says: the tmpfs stayed writable

let target = match open_inside(root, path, None) {
    Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
    target => target?,
};
if SFlag::from_bits_truncate(fstat(&target).during("fstat", path.display())?.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
    return bind(Path::new("/dev/null"), target.as_fd());
}
mount_tmpfs(target.as_fd(), None, 0o755)
