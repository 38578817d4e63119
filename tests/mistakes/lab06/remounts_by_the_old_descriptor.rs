//! "One descriptor is enough for one place."
//!
//! task: 7
//! test: task7_a_directory_is_empty_and_read_only
//! says: the remount was given a descriptor from before the mount

let target = match open_inside(root, path, None) {
    Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
    target => target?,
};
if SFlag::from_bits_truncate(fstat(&target).during("fstat", path.display())?.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
    return bind(Path::new("/dev/null"), target.as_fd());
}
mount_tmpfs(target.as_fd(), None, 0o755)?;
remount_read_only(target.as_fd())
