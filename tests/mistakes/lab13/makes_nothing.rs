//! "The archive tells of every directory."
//!
//! task: 3
//! test: task3_what_is_missing_is_made
//! says: a directory on the way is missing, and was not made

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
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let open = |path: &Path| openat2(root, path, how);
let name = names.pop().unwrap_or(OsStr::new("."));
let directory = open(&names.iter().fold(PathBuf::from("."), |path, name| path.join(name)));
Ok((directory.during("openat2", path.display())?, name.to_owned()))
