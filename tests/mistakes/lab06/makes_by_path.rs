//! "create_dir_all makes what is missing; opening it safely comes afterwards."
//!
//! task: 1
//! test: task1_what_is_made_is_made_inside
//! says: where the image's links lead out

let path = &Path::new("/").join(path);
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let inside = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let opened = (0..100).map(|_| openat2(root, path, inside)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
let opened = opened.unwrap_or(Err(Errno::EAGAIN));
match (opened, make, path.parent(), path.file_name()) {
    (Err(Errno::ENOENT), Some(node), Some(parent), Some(name)) => {
        let parent = place(root).join(parent.strip_prefix("/").unwrap_or(parent));
        fs::create_dir_all(&parent).during("mkdir", path.display())?;
        match node {
            Node::Directory => fs::create_dir(parent.join(name)).during("mkdir", path.display())?,
            Node::File => fs::File::create_new(parent.join(name)).map(drop).during("open", path.display())?,
        }
        openat2(root, path, inside).during("openat2", path.display())
    }
    (opened, ..) => opened.during("openat2", path.display()),
}
