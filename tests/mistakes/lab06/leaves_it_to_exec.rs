//! "A descriptor goes away by itself."
//!
//! task: 1
//! test: task1_the_descriptor_names_the_place_and_nothing_more
//! says: O_CLOEXEC was left out

let how = OpenHow::new().flags(OFlag::O_PATH).resolve(ResolveFlag::RESOLVE_IN_ROOT);
openat2(root, path, how).during("openat2", path.display())
