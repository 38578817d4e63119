//! "One verb is enough for both."
//!
//! task: 3
//! test: task3_mounts_below_stay_writable
//! says: all mounts below became read-only too

set_tree_read_only(mount_point)
