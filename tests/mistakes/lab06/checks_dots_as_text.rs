//! "`..` is taken off before the kernel sees it."
//!
//! task: 1
//! test: task1_dots_end_at_the_root
//! says: taken off as text

let mut clean = std::path::PathBuf::from("/");
for part in path.components() {
    match part {
        std::path::Component::ParentDir => drop(clean.pop()),
        std::path::Component::Normal(name) => clean.push(name),
        _ => {}
    }
}
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
openat2(root, &clean, how).during("openat2", path.display())
