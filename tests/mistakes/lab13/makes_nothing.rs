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
        _ => return Err(leaves(path)),
    }
}
if path.as_os_str().is_empty() {
    return Err(leaves(path));
}
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let name = names.pop().unwrap_or(OsStr::new("."));
let parent = names.iter().fold(PathBuf::from("."), |path, name| path.join(name));
let directory = openat2(root, &parent, how);
Ok((directory.during("openat2", path.display())?, name.to_owned()))
