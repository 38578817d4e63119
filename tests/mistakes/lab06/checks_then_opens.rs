//! "First see whether a link leads out, then open."
//!
//! task: 1
//! test: task1_a_directory_swapped_for_a_link_does_not_lead_out
//! says: the path was checked first and used then

let relative = path.strip_prefix("/").unwrap_or(path);
let base = fs::read_link(place(root)).during("readlink", "the root")?;
let whole = base.join(relative);
let existing = whole.ancestors().find(|path| path.exists()).unwrap_or(&base);
let real = fs::canonicalize(existing).during("realpath", path.display())?;
if !real.starts_with(&base) {
    return Err(Errno::EACCES).during("realpath", path.display());
}
match make {
    Some(_) if whole.exists() => {}
    Some(Node::Directory) => fs::create_dir_all(&whole).during("mkdir", path.display())?,
    Some(Node::File) => {
        fs::create_dir_all(whole.parent().unwrap_or(&base)).during("mkdir", path.display())?;
        fs::write(&whole, "").during("write", path.display())?;
    }
    None => {}
}
nix::fcntl::open(&whole, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).during("open", path.display())
