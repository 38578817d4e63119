//! "/dev/null hides whatever it lies on."
//!
//! task: 7
//! test: task7_a_directory_is_empty_and_read_only
//! says: /dev/null bound over a directory

match open_inside(root, path, None) {
    Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
    target => bind(Path::new("/dev/null"), target?.as_fd()),
}
