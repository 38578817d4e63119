//! "Links are dangerous."
//!
//! task: 1
//! test: task1_links_stay_inside
//! says: every link was refused

let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve);
openat2(root, path, how).during("openat2", path.display())
