//! The permissions of the kernel's own files in `/proc`.
//!
//! They are no namespace's: what chmod(2) makes of them through one proc is so in every proc that is mounted from now
//! on, until the machine starts again. Code that hides a file by taking its permissions away, run as root, leaves a
//! machine on which no container can read `/proc/uptime`.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::sync::LazyLock;

use model::tree::names;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstatat, mode_t};

use crate::sys::detached_proc;

/// Each name in `/proc` that is no process's, with its permissions, as they were when this process first asked. Not as
/// they are when a shield begins: one beside it may have just taken them away.
///
/// Nothing for a user who cannot mount a proc, and who cannot change it either.
static BEFORE: LazyLock<Vec<(OsString, mode_t)>> = LazyLock::new(|| {
    let Ok(proc) = detached_proc() else { return Vec::new() };
    let all = names(&proc).unwrap_or_default().into_iter();
    let kernels = all.filter(|name| !name.as_encoded_bytes()[0].is_ascii_digit());
    kernels.filter_map(|name| mode(&proc, &name).map(|mode| (name, mode))).collect()
});

/// Notes the permissions, unless that is done.
pub fn note() {
    LazyLock::force(&BEFORE);
}

/// Gives back the permissions that were taken away since. Only those: no more than an accident is to be mended.
pub fn put_back() {
    let Ok(proc) = detached_proc() else { return };
    for (name, before) in &*BEFORE {
        // A symbolic link always has all of them.
        if mode(&proc, name).is_some_and(|now| before & !now != 0) {
            let before = Mode::from_bits_truncate(*before);
            let _ = fchmodat(&proc, name.as_os_str(), before, FchmodatFlags::FollowSymlink);
        }
    }
}

fn mode(proc: &OwnedFd, name: &OsStr) -> Option<mode_t> {
    fstatat(proc, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_when_a_shield_begins_is_given_back_too() {
        crate::needs!(root);
        let proc = || detached_proc().unwrap();
        let now = || mode(&proc(), OsStr::new("locks")).unwrap();
        note();
        let before = now();
        assert_ne!(before & 0o777, 0, "taken away before this test");
        fchmodat(proc(), "locks", Mode::empty(), FchmodatFlags::FollowSymlink).unwrap();
        note();
        put_back();
        assert_eq!(now(), before);
    }
}
