//! "mkdir makes directories."
//!
//! task: 1
//! test: task1_what_is_missing_is_made
//! says: mkdir(2) makes one at a time

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
let (node, parent, name) = match (openat2(root, path, how), make, path.parent(), path.file_name()) {
    (Err(Errno::ENOENT), Some(node), Some(parent), Some(name)) => (node, parent, name),
    (opened, ..) => return opened.during("openat2", path.display()),
};
let parent = openat2(root, parent, how).during("openat2", parent.display())?;
match node {
    Node::Directory => mkdirat(&parent, name, Mode::from_bits_retain(0o755)),
    Node::File => openat(&parent, name, OFlag::O_CREAT | OFlag::O_EXCL, Mode::from_bits_retain(0o644)).map(drop),
}
.during("make", path.display())?;
openat2(root, path, how).during("openat2", path.display())
