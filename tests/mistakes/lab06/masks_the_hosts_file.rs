//! "The path below the root is the place."
//!
//! task: 7
//! test: task7_a_link_leads_to_what_it_names_inside
//! says: the link was followed to the host

let target = place(root).join(path.strip_prefix("/").unwrap_or(path));
if !target.exists() {
    return Ok(());
}
let opened = nix::fcntl::open(&target, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).during("open", path.display())?;
if !target.is_dir() {
    return bind(Path::new("/dev/null"), opened.as_fd());
}
mount_tmpfs(opened.as_fd(), None, 0o755)?;
let opened = nix::fcntl::open(&target, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).during("open", path.display())?;
remount_read_only(opened.as_fd())
