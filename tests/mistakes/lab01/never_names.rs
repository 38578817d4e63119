//! "A new namespace will have a new name."
//!
//! task: 4
//! test: task4_the_host_keeps_its_names_and_the_caller_gets_new_ones
//! says: unshared and never named

unshare_uts()
