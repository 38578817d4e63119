//! "Without its first slash a path is relative to the descriptor, and stays there."
//!
//! task: 1
//! test: task1_links_stay_inside
//! says: a link led out of the root

let relative = path.strip_prefix("/").unwrap_or(path);
let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
openat(root, relative, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).during("openat", path.display())
