//! What every lab's tests use.
//!
//! - [`Shield`]: a throw-away host for the learner's code. [`shielded`] is the short form.
//! - [`inside`]: what a process sees of itself; [`observe`], [`in_child`]: look into a child.
//! - [`refused_at_first`]: what the kernel says seldom, said by the test; [`meanwhile`]: what happens seldom, done by it.
//! - [`check!`], [`Explained`]: failure messages that teach.
//! - [`needs!`]: what a test needs of the machine, declared.
//! - [`Rootfs`]: a root file system from this machine's own programs; [`Disk`]: a file system to put it on.
//! - [`files`]: all that there is to see of a tree of them. [`kills`]: programs that are killed at any moment.
//! - [`bpf`]: filters for system calls, run without a kernel; [`filtered`]: by the kernel.
//! - [`Random`]: numbers that a failed test can have again.

mod audit;
pub mod bpf;
mod cgroup;
mod children;
pub mod damage;
pub mod disk;
mod failure;
pub mod files;
pub mod filtered;
mod frame;
mod host;
pub mod injury;
mod inside;
mod kills;
mod lesson;
pub mod needs;
mod patience;
mod proc_modes;
mod random;
mod report;
pub mod rootfs;
mod shield;
mod stand_in;
mod sys;
mod user;

pub use audit::Finding;
pub use cgroup::{PREFIX as CGROUP_PREFIX, cgroup_dirs};
pub use children::{Child, Running, in_child, launch, observe, start_child};
pub use disk::Disk;
pub use failure::Failure;
pub use host::{dir, disk_dir, host_mqueue, remove_tree};
pub use inside::{Inside, Mount, inside, moves_only, namespaces};
pub use kills::{KILLS, kills, start_and_kill, start_silent};
pub use lesson::{Explained, teach};
pub use patience::{SLOWNESS, patience};
pub use random::{Random, SEED, random};
pub use rootfs::Rootfs;
pub use shield::{DEADLINE, Shield, shielded};
pub use stand_in::{meanwhile, refused_at_first};
pub use sys::drop_capabilities;
pub use user::{SUBORDINATE, USER};

/// The learner's `boxwright`, as a command of the test crate's own `assert_cmd`; under a shield its state is kept in
/// the test's directory.
#[macro_export]
macro_rules! boxwright {
    () => {
        ::assert_cmd::Command::new(env!("CARGO_BIN_EXE_boxwright"))
    };
}

/// At the top of a test that starts `boxwright`: fails, with a line that says what to do, unless the test's own lab is
/// written, and those that it leans on: `written!(4)`, `written!(4, leans on 3, 5)`.
#[macro_export]
macro_rules! written {
    ($own:literal $(, leans on $($other:literal),+)?) => {
        $crate::require_written($own, ::boxwright::steps::written($own), &[$($(
            ($other, ::boxwright::steps::written($other))
        ),+)?]);
    };
}

/// Names labs, as in `4,15`, without which `boxwright` was built, though the test program was not: the course's author builds the
/// tests once, and many a `boxwright`.
pub const UNWRITTEN: &str = "BOXWRIGHT_UNWRITTEN";

/// Behind [`written!`]: each lab's number and whether it is written.
///
/// # Panics
/// When one is not.
#[track_caller]
pub fn require_written(own: u8, is_written: bool, others: &[(u8, bool)]) {
    let unwritten = std::env::var(UNWRITTEN).unwrap_or_default();
    let is_there = |lab: u8, is_written| is_written && !unwritten.split(',').any(|other| other.parse() == Ok(lab));
    assert!(is_there(own, is_written), "lab {own:02} is not written yet: `cargo lab test {own}`");
    for &(lab, is_written) in others {
        assert!(
            is_there(lab, is_written),
            "this test leans on lab {lab:02}, which is not written yet: write it first, or let the reference stand in for \
             it: `cargo lab skip {lab}`"
        );
    }
}

/// Four random hexadecimal digits and more: a name that no solution can know beforehand.
#[must_use]
pub fn random_name(prefix: &str) -> String {
    format!("{prefix}-{:08x}", random() as u32)
}
