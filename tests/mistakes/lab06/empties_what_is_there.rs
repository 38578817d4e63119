//! "O_CREAT with O_TRUNC: a fresh file in any case."
//!
//! task: 1
//! test: task1_what_is_there_stays_as_it_is
//! says: it was made anew, or emptied

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
if make == Some(Node::File) {
    let parent = open_inside(root, path.parent().unwrap_or(path), Some(Node::Directory))?;
    let name = path.file_name().unwrap_or_default();
    let flags = OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let _ = openat(&parent, name, flags, Mode::from_bits_retain(0o644));
}
let opened = (0..100).map(|_| openat2(root, path, inside)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
let opened = opened.unwrap_or(Err(Errno::EAGAIN));
opened.during("openat2", path.display())
