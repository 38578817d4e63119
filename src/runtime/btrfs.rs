//! Snapshots of btrfs subvolumes.

#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::ioctl_write_ptr;

/// `struct btrfs_ioctl_vol_args_v2` of `<linux/btrfs.h>`: a page.
#[repr(C)]
struct Args {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

ioctl_write_ptr!(
    /// BTRFS_IOC_SNAP_CREATE_V2.
    snap_create_v2,
    0x94,
    23,
    Args
);

ioctl_write_ptr!(
    /// BTRFS_IOC_SUBVOL_CREATE_V2.
    subvol_create_v2,
    0x94,
    24,
    Args
);

/// Makes the directory `path` a subvolume of its own, of which snapshots can be taken. Source: the kernel's fs/btrfs.
///
/// # Errors
/// [`Error::Invalid`] where it would not be on btrfs; what the kernel refuses.
pub fn create(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let parent = path.parent().unwrap_or(Path::new("/"));
    let directory = open(parent)?;
    let mut args = Args { fd: 0, transid: 0, flags: 0, unused: [0; 4], name: [0; 4040] };
    args.name[..name.len()].copy_from_slice(name);
    // SAFETY: the descriptor is open, and the kernel reads no more than the structure.
    match unsafe { subvol_create_v2(directory.as_raw_fd(), &args) } {
        Err(Errno::ENOTTY | Errno::EINVAL) => {
            let right = format!("with {} on btrfs (BOXWRIGHT_DATA)", parent.display());
            Err(Error::invalid("--storage-driver", "btrfs", right))
        }
        result => result.map(drop).during("BTRFS_IOC_SUBVOL_CREATE_V2", path.display()),
    }
}

/// Makes the directory `name` in `parent` a snapshot of the subvolume `source`: it shares every block until one of them is
/// written to. Source: the kernel's fs/btrfs, `<linux/btrfs.h>`.
pub fn snapshot(source: &Path, parent: &Path, name: &str) -> Result<()> {
    let (from, to) = (open(source)?, open(parent)?);
    let mut args = Args { fd: from.as_raw_fd().into(), transid: 0, flags: 0, unused: [0; 4], name: [0; 4040] };
    args.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: both descriptors are open, and the kernel reads no more than the structure.
    match unsafe { snap_create_v2(to.as_raw_fd(), &args) } {
        Err(Errno::ENOTTY | Errno::EINVAL | Errno::EXDEV) => {
            let right = format!(
                "with --rootfs a btrfs subvolume, and {} on the same file system (BOXWRIGHT_DATA)",
                parent.display()
            );
            Err(Error::invalid("--storage-driver", "btrfs", right))
        }
        result => result.map(drop).during("BTRFS_IOC_SNAP_CREATE_V2", source.display()),
    }
}

fn open(directory: &Path) -> Result<File> {
    File::open(directory).during("open", directory.display())
}
