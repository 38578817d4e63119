//! Docker's rule for volumes: one that is empty begins with what the root file system has at its place.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use model::{During, Result};
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::steps::{caps, written};

/// Copies what is in the directory `from` to `volume`, unless something is there already. Files, directories and
/// symbolic links are copied, with owner, mode and time; other kinds are left out.
pub fn copy_up(from: &Path, volume: &Path) -> Result<()> {
    let is_empty = fs::read_dir(volume).during("readdir", volume.display())?.next().is_none();
    let from_metadata = fs::metadata(from).during("stat", from.display())?;
    if !is_empty || !from_metadata.is_dir() {
        return Ok(());
    }
    copy_content(from, volume)?;
    take_after(volume, &from_metadata)
}

fn copy_content(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).during("readdir", from.display())? {
        let name = entry.during("readdir", from.display())?.file_name();
        let (from, to) = (from.join(&name), to.join(&name));
        let metadata = fs::symlink_metadata(&from).during("stat", from.display())?;
        if metadata.is_dir() {
            fs::create_dir(&to).during("mkdir", to.display())?;
            copy_content(&from, &to)?;
        } else if metadata.is_symlink() {
            // The link itself: where it leads is for the container to find out.
            fs::read_link(&from).and_then(|target| symlink(target, &to)).during("symlink", to.display())?;
        } else if metadata.is_file() {
            copy_file(&from, &to).during("copy", from.display())?;
        } else {
            continue;
        }
        take_after(&to, &metadata)?;
        keep_file_caps(&from, &to)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    let mut from = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(from)?;
    io::copy(&mut from, &mut File::create_new(to)?)
}

/// After the change of owner, which takes them away.
fn keep_file_caps(from: &Path, to: &Path) -> Result<()> {
    match written(10).then(|| caps::file_caps(from)).transpose() {
        Ok(Some(Some(own))) => caps::set_file_caps(to, &own),
        Ok(_) => Ok(()),
        // They count for another root than that of this user namespace.
        Err(error) if error.errno() == Some(Errno::EOVERFLOW) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives `to` the owner, mode and time of what it is a copy of.
fn take_after(to: &Path, original: &Metadata) -> Result<()> {
    match lchown(to, Some(original.uid()), Some(original.gid())) {
        // In a user namespace some owners have no number to give it to: it stays the caller's.
        Err(error) if [Errno::EINVAL, Errno::EPERM].map(|errno| Some(errno as i32)).contains(&error.raw_os_error()) => {
        }
        result => result.during("chown", to.display())?,
    }
    if !original.is_symlink() {
        let mode = fs::Permissions::from_mode(original.mode() & 0o7777);
        fs::set_permissions(to, mode).during("chmod", to.display())?;
    }
    let time = TimeSpec::new(original.mtime(), original.mtime_nsec());
    utimensat(AT_FDCWD, to, &time, &time, UtimensatFlags::NoFollowSymlink).during("utimensat", to.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_volume_gets_a_copy_and_a_full_one_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (image, volume) = (directory.path().join("image"), directory.path().join("volume"));
        fs::create_dir_all(image.join("sub")).unwrap();
        fs::create_dir(&volume).unwrap();
        fs::write(image.join("sub/file"), "words").unwrap();
        fs::set_permissions(image.join("sub/file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/etc/passwd", image.join("link")).unwrap();
        copy_up(&image, &volume).unwrap();
        assert_eq!(fs::read_to_string(volume.join("sub/file")).unwrap(), "words");
        assert_eq!(fs::metadata(volume.join("sub/file")).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_link(volume.join("link")).unwrap(), Path::new("/etc/passwd"));
        fs::write(image.join("late"), "").unwrap();
        copy_up(&image, &volume).unwrap();
        assert!(!volume.join("late").exists());
    }
}
