//! "Mode 000: nobody reads /proc/kcore any more."
//!
//! task: 7
//! test: task7_a_file_is_empty
//! says: the permissions were taken away

let target = match open_inside(root, path, None) {
    Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
    target => target?,
};
let nobody = std::os::unix::fs::PermissionsExt::from_mode(0);
fs::set_permissions(place(target.as_fd()), nobody).during("chmod", path.display())
