//! "In the root, / is the root."
//!
//! task: 3
//! test: task3_a_link_out_is_not_bent
//! says: the link was bent, so that it leads to another place in the root

let name = |part| if let Component::Normal(name) = part { Some(name) } else { None };
let parts = path.components().filter(|part| *part != Component::CurDir);
let names = parts.map(name).collect::<Option<Vec<_>>>().filter(|_| path != "");
let Some(mut names) = names else { return Err(entry::leaves_the_root(path)) };
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
let how = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
// EAGAIN: something was renamed, anywhere, while the kernel took a link's `..`, and it cannot tell where that led.
let open = |path: &Path| {
    let opened = (0..100).map(|_| openat2(root, path, how)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
    opened.unwrap_or(Err(Errno::EAGAIN))
};
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
