//! "What is worth hiding lies in directories; /proc/kcore is root's anyway."
//!
//! task: 7
//! test: task7_a_file_is_empty
//! says: files are left readable

let target = match open_inside(root, path, None) {
    Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
    target => target?,
};
if SFlag::from_bits_truncate(fstat(&target).during("fstat", path.display())?.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
    return Ok(());
}
mount_tmpfs(target.as_fd(), None, 0o755)?;
remount_read_only(open_inside(root, path, None)?.as_fd())
