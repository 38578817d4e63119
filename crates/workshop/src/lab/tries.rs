//! What only trying tells, each under a Shield, so that nothing stays behind.

use std::fs;
use std::io;

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, sethostname};
use testkit::{Failure, Shield};

/// Whether a shield can be put up at all.
///
/// # Errors
/// What the kernel refused, in words.
pub fn shield() -> Result<(), String> {
    Shield::new().try_run(|| ()).map_err(words)
}

/// Whether the caller can be root in a user namespace of its own.
///
/// # Errors
/// As [`shield`].
pub fn user_namespace() -> Result<(), String> {
    // Not the unshare alone: AppArmor may let it pass and take the capabilities away again.
    try_in_shield("user namespace", || {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS)?;
        Ok(sethostname("probe")?)
    })
}

/// Whether an overlay can be mounted in a user namespace.
///
/// # Errors
/// As [`shield`].
pub fn overlay() -> Result<(), String> {
    let is_root = Uid::effective().is_root();
    try_in_shield("overlay", move || {
        // An ordinary user's shield is a user namespace already.
        if is_root {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", "0 0 1")?;
            fs::write("/proc/self/gid_map", "0 0 1")?;
        }
        let place = testkit::disk_dir();
        let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| place.join(name));
        for directory in [&lower, &upper, &work, &merged] {
            fs::create_dir(directory)?;
        }
        let (lower, upper, work) = (lower.display(), upper.display(), work.display());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work},userxattr");
        mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
        umount(&merged).map_err(Into::into)
    })
}

fn try_in_shield(what: &str, body: impl FnOnce() -> io::Result<()>) -> Result<(), String> {
    // Mounting is what is tried: no audit of it.
    let tried = Shield::new().unaudited().try_run(|| body().map_err(|error| error.to_string()));
    tried.map_err(words)?.map_err(|error| format!("{what}: {error}"))
}

/// In one line.
fn words(failure: Failure) -> String {
    failure.to_string().lines().next().unwrap_or_default().to_owned()
}
