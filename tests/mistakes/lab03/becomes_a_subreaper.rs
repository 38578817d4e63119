//! "Something about parents, children and their ends: that will be it."
//!
//! task: 2
//! test: task2_sigkill_is_asked_for
//! says: PR_SET_CHILD_SUBREAPER is about whose orphans one gets

prctl::set_child_subreaper(true).during("prctl", "PR_SET_CHILD_SUBREAPER")
