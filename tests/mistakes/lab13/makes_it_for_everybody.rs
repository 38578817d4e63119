//! "The standard library makes whole paths."
//!
//! task: 3
//! test: task3_what_is_missing_is_made
//! says: directories that were made on the way are open to everybody

let name = |part| if let Component::Normal(name) = part { Some(name) } else { None };
let parts = path.components().filter(|part| *part != Component::CurDir);
let names = parts.map(name).collect::<Option<Vec<_>>>().filter(|_| path != "");
let Some(mut names) = names else { return Err(entry::leaves_the_root(path)) };
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
let how = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
// EAGAIN: something was renamed, anywhere, while the kernel took a link's `..`, and it cannot tell where that led.
let open = |path: &Path| {
    let opened = (0..100).map(|_| openat2(root, path, how)).find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
    opened.unwrap_or(Err(Errno::EAGAIN))
};
let name = names.pop().unwrap_or(OsStr::new("."));
let way = names.iter().fold(PathBuf::from("."), |path, name| path.join(name));
let mut directory = open(&way);
if directory.as_ref().is_err_and(|errno| *errno == Errno::ENOENT) {
    std::fs::create_dir_all(place(root).join(&way)).during("mkdir", path.display())?;
    directory = open(&way);
}
Ok((directory.during("openat2", path.display())?, name.to_owned()))
