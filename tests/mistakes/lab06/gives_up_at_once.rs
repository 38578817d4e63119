//! "EAGAIN is an error like others."
//!
//! task: 1
//! test: task1_what_the_kernel_cannot_tell_is_asked_again
//! says: the kernel's word for "ask again" was taken for its answer

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let (node, parent, name) = match (openat2(root, path, inside), make, path.parent(), path.file_name()) {
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
    Ok(()) | Err(Errno::EEXIST) => openat2(&parent, name, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS)),
    Err(errno) => Err(errno),
}
.during("make", path.display())
