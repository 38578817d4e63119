//! "Root has everything anyway."
//!
//! task: 5
//! test: task5_the_thread_and_what_it_starts_have_it
//! says: it is set for others than root, and not for root

if nix::unistd::Uid::effective().is_root() {
    return Ok(());
}
prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")
