//! A container whose mounts hear of the host's, or that tells the host of its own: `linux.rootfsPropagation`.
//!
//! By default nothing crosses: lab 04's verb makes every mount private. Where something is to cross, the root file system still
//! must not be mounted over for all to see. So its mount is cut off first, and the volumes alone keep their peers.
//! Source: mount_namespaces(7), "Shared subtrees"; pivot_root(2).

use std::path::Path;

use model::plan::Spread;
use model::{During, Propagation, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::mount_attr::flag;

/// Makes the mounts of a new mount namespace hear of the host's, and tell the host of theirs if `how` is Shared.
pub fn prepare(how: Propagation) -> Result<()> {
    let how = match how {
        // Peers of the host's still, since that is what they are copies of.
        Propagation::Shared | Propagation::SharedSlave => return Ok(()),
        Propagation::Slave => MsFlags::MS_SLAVE,
        Propagation::Private | Propagation::Unbindable => MsFlags::MS_PRIVATE,
    };
    make(Path::new("/"), how | MsFlags::MS_REC)
}

/// Makes `rootfs` a private mount of its own: what is mounted below it is told to nobody.
pub fn cut_off(rootfs: &Path) -> Result<()> {
    let none = None::<&str>;
    // The mount that it is on: the nearest of these paths that is one.
    for path in rootfs.ancestors() {
        match mount(none, path, none, MsFlags::MS_PRIVATE, none) {
            Err(Errno::EINVAL) => {}
            made => {
                made.during("mount --make-private", path.display())?;
                break;
            }
        }
    }
    mount(Some(rootfs), rootfs, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .during("mount --rbind", rootfs.display())
}

/// As lab 05's verb, which would make all private, for a `root` that [`cut_off`] has made a mount.
pub fn enter(root: &Path) -> Result<()> {
    chdir(root).during("chdir", root.display())?;
    pivot_root(".", ".").during("pivot_root", root.display())?;
    // Whoever is a peer of the old root would lose its mounts with it.
    make(Path::new("."), MsFlags::MS_SLAVE | MsFlags::MS_REC)?;
    umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
    chdir("/").during("chdir", "/")
}

/// Makes `/` what it is to be from now on.
pub fn settle(Spread { how, recursive }: Spread) -> Result<()> {
    make(Path::new("/"), flag(how) | if recursive { MsFlags::MS_REC } else { MsFlags::empty() })
}

fn make(path: &Path, flags: MsFlags) -> Result<()> {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
        .during("mount", format_args!("{} {flags:?}", path.display()))
}
