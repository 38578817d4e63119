//! "Make what is missing; who does not want it can remove it."
//!
//! task: 1
//! test: task1_circles_and_wrong_turns_are_refused
//! says: before it was known that it is wanted

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let opened = (0..100).map(|_| openat2(root, path, inside)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
let opened = opened.unwrap_or(Err(Errno::EAGAIN));
let (parent, name) = match (opened, path.parent(), path.file_name()) {
    (Err(Errno::ENOENT), Some(parent), Some(name)) => (parent, name),
    (opened, ..) => return opened.during("openat2", path.display()),
};
let parent = open_inside(root, parent, Some(Node::Directory))?;
let made = match make {
    Some(Node::File) => {
        openat(&parent, name, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC, Mode::from_bits_retain(0o644)).map(drop)
    }
    _ => mkdirat(&parent, name, Mode::from_bits_retain(0o755)),
};
match (make, made) {
    (None, _) => Err(Errno::ENOENT),
    (_, Ok(()) | Err(Errno::EEXIST)) => openat2(&parent, name, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS)),
    (_, Err(errno)) => Err(errno),
}
.during("make", path.display())
