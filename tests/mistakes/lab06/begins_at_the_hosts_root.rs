//! "Path::join puts a path below another."
//!
//! task: 1
//! test: task1_what_is_there_is_opened
//! says: the path began at the host's /

let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
nix::fcntl::open(&place(root).join(path), flags, Mode::empty()).during("open", path.display())
