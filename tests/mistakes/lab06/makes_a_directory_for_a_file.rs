//! "A mount point is a directory."
//!
//! task: 1
//! test: task1_what_is_missing_is_made
//! says: a directory was made where a file was asked for

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let opened = (0..100).map(|_| openat2(root, path, inside)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
let opened = opened.unwrap_or(Err(Errno::EAGAIN));
let (parent, name) = match (opened, make, path.parent(), path.file_name()) {
    (Err(Errno::ENOENT), Some(_), Some(parent), Some(name)) => (parent, name),
    (opened, ..) => return opened.during("openat2", path.display()),
};
let parent = open_inside(root, parent, Some(Node::Directory))?;
match mkdirat(&parent, name, Mode::from_bits_retain(0o755)) {
    Ok(()) | Err(Errno::EEXIST) => openat2(&parent, name, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS)),
    Err(errno) => Err(errno),
}
.during("make", path.display())
