//! "No names: the root."
//!
//! task: 3
//! test: task3_paths_that_are_none_are_refused
//! says: an empty path has no parts, and is not the root

let mut names = Vec::new();
for part in path.components() {
    match part {
        Component::Normal(name) => names.push(name),
        Component::CurDir => {}
        _ => return Err(leaves(path)),
    }
}
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
let name = names.pop().unwrap_or(OsStr::new("."));
let parent = names.iter().fold(PathBuf::from("."), |path, name| path.join(name));
let directory = match openat2(root, &parent, how) {
    Err(Errno::ENOENT) => {
        let (mut on_the_way, mut directory) = (PathBuf::from("."), openat2(root, ".", how));
        for name in names {
            on_the_way.push(name);
            directory = openat2(root, &on_the_way, how).or_else(|errno| match errno {
                Errno::ENOENT => mkdirat(directory?, name, Mode::from_bits_retain(0o755))
                    .and_then(|()| openat2(root, &on_the_way, how)),
                other => Err(other),
            });
        }
        directory
    }
    there => there,
};
Ok((directory.during("openat2", path.display())?, name.to_owned()))
