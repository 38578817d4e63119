//! "What is to be masked has to be there."
//!
//! task: 7
//! test: task7_what_is_missing_needs_no_hiding
//! says: what is missing was taken for a failure

let target = open_inside(root, path, None)?;
if SFlag::from_bits_truncate(fstat(&target).during("fstat", path.display())?.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
    return bind(Path::new("/dev/null"), target.as_fd());
}
mount_tmpfs(target.as_fd(), None, 0o755)?;
remount_read_only(open_inside(root, path, None)?.as_fd())
