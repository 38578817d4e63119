//! "A directory gets its time when it is made."
//!
//! task: 7
//! test: task7_modes_and_times
//! says: the time comes last

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::os::unix::fs::lchown;
let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
let several = (!metadata.is_dir() && metadata.nlink() > 1).then_some((metadata.dev(), metadata.ino()));
if let Some(copy) = several.and_then(|file| copies.get(&file)) {
    return fs::hard_link(copy, to).during("link", to.display());
}
match metadata.file_type() {
    kind if kind.is_dir() => {
        fs::create_dir(to).during("mkdir", to.display())?;
        let time = |s, ns| TimeSpec::new(s, ns);
        let (atime, mtime) = (time(metadata.atime(), metadata.atime_nsec()), time(metadata.mtime(), metadata.mtime_nsec()));
        utimensat(AT_FDCWD, to, &atime, &mtime, UtimensatFlags::NoFollowSymlink).during("utimensat", to.display())?;
        copy_content(from, to, copies)?;
        lchown(to, Some(metadata.uid()), Some(metadata.gid())).during("chown", to.display())?;
        if !metadata.is_symlink() {
            fs::set_permissions(to, metadata.permissions()).during("chmod", to.display())?;
        }
        for name in xattr::list(from).during("listxattr", from.display())? {
            if let Some(value) = xattr::get(from, &name).during("getxattr", from.display())? {
                xattr::set(to, &name, &value).during("setxattr", to.display())?;
            }
        }
        return Ok(());
    }
    kind if kind.is_symlink() => {
        fs::read_link(from).and_then(|target| symlink(target, to)).during("symlink", to.display())?;
    }
    kind if kind.is_file() => drop(fs::copy(from, to).during("copy", from.display())?),
    _ => {
        let kind = SFlag::from_bits_truncate(metadata.mode()) & SFlag::S_IFMT;
        mknod(to, kind, Mode::empty(), metadata.rdev()).during("mknod", to.display())?;
    }
}
copies.extend(several.map(|file| (file, to.to_owned())));
// Last: what is made in a directory changes its time, and a new owner takes away set-user-ID bits and capabilities.
take_after(from, &metadata, to)
