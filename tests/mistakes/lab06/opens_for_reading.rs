//! "To open is to open for reading."
//!
//! task: 1
//! test: task1_the_descriptor_names_the_place_and_nothing_more
//! says: O_PATH was left out

let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
openat2(root, path, OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT)).during("openat2", path.display())
