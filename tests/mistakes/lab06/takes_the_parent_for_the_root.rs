//! "RESOLVE_IN_ROOT, as ever."
//!
//! task: 1
//! test: task1_a_link_at_the_end_begins_at_the_root_too
//! says: which makes the parent the root of its links

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let opened = (0..100).map(|_| openat2(root, path, inside)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
let (node, parent, name) = match (opened.unwrap_or(Err(Errno::EAGAIN)), make, path.parent(), path.file_name()) {
    (Err(Errno::ENOENT), Some(node), Some(parent), Some(name)) => (node, parent, name),
    (opened, ..) => return opened.during("openat2", path.display()),
};
let parent = open_inside(root, parent, Some(Node::Directory))?;
let made = match node {
    Node::Directory => mkdirat(&parent, name, Mode::from_bits_retain(0o755)),
    Node::File => {
        let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        openat(&parent, name, new, Mode::from_bits_retain(0o644)).map(drop)
    }
};
match made {
    Ok(()) | Err(Errno::EEXIST) => openat2(&parent, name, inside),
    Err(errno) => Err(errno),
}
.during("make", path.display())
