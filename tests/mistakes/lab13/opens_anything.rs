//! "O_PATH names it, and that is enough."
//!
//! task: 3
//! test: task3_paths_that_are_none_are_refused
//! says: O_DIRECTORY was not asked for

let mut names = Vec::new();
for part in path.components() {
    match part {
        Component::Normal(name) => names.push(name),
        Component::CurDir => {}
        _ => return Err(entry::leaves_the_root(path)),
    }
}
if path == "" {
    return Err(entry::leaves_the_root(path));
}
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let open = |path: &Path| openat2(root, path, how);
let name = names.pop().unwrap_or(OsStr::new("."));
let mut directory = open(&names.iter().fold(PathBuf::from("."), |path, name| path.join(name)));
if directory.as_ref().is_err_and(|errno| *errno == Errno::ENOENT) {
    let mut way = PathBuf::from(".");
    directory = open(&way);
    for name in names {
        way.push(name);
        directory = open(&way).or_else(|errno| match errno {
            Errno::ENOENT => mkdirat(directory?, name, Mode::from_bits_retain(0o755)).and_then(|()| open(&way)),
            other => Err(other),
        });
    }
}
Ok((directory.during("openat2", path.display())?, name.to_owned()))
