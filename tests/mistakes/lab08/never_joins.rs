//! "It sees /, so it is there."
//!
//! task: 7
//! test: task7_from_outside_it_is_in_the_group_in_every_hierarchy
//! says: the caller was moved nowhere

unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")
