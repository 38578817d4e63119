//! "The type is a set of bits, and the directory's is one of them."
//!
//! task: 7
//! test: task7_what_is_no_directory_is_a_file
//! says: the socket was taken for a directory

let target = match open_inside(root, path, None) {
    Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
    target => target?,
};
if !SFlag::from_bits_truncate(fstat(&target).during("fstat", path.display())?.st_mode).contains(SFlag::S_IFDIR) {
    return bind(Path::new("/dev/null"), target.as_fd());
}
mount_tmpfs(target.as_fd(), None, 0o755)?;
remount_read_only(open_inside(root, path, None)?.as_fd())
