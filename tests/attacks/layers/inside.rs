//! Paths of an image that are followed as a process in the container would follow them.
//!
//! file: solutions/lab06_volume.rs
//! task: 1

let whole = place(root).join(path.strip_prefix("/").unwrap_or(path));
match make {
    Some(Node::Directory) => fs::create_dir_all(&whole).during("mkdir", path.display())?,
    Some(Node::File) if !whole.exists() => fs::write(&whole, "").during("make", path.display())?,
    _ => {}
}
let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
openat(nix::fcntl::AT_FDCWD, &whole, flags, Mode::empty()).during("open", path.display())
