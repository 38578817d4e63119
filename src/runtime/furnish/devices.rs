//! Devices: those that every program expects, and those that are asked for.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use model::plan::Device;
use model::{During, Node, Result};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, fstat, makedev, mknodat, umask};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

use super::Root;
use crate::steps::volume::{self, DEVICES, LINKS};

impl Root<'_> {
    /// Makes a node of the device, or binds the host's own where none can be made, in a user namespace.
    pub(super) fn place_device(&self, device: &Device) -> Result<()> {
        let (parent, name) = (device.at.parent().unwrap_or(Path::new("/")), device.at.file_name().unwrap_or_default());
        let parent = self.make(parent, Node::Directory)?;
        let kind = match device.kind {
            'b' => SFlag::S_IFBLK,
            'p' => SFlag::S_IFIFO,
            _ => SFlag::S_IFCHR,
        };
        let number = makedev(device.number.0, device.number.1);
        // What the umask has, mknod takes from the mode. This process has one thread, so nobody else notices.
        let usual = umask(Mode::empty());
        let made = mknodat(&parent, name, kind, Mode::from_bits_retain(device.mode), number);
        umask(usual);
        match made {
            Ok(()) => {
                let (owner, group) = (Uid::from_raw(device.owner.0), Gid::from_raw(device.owner.1));
                fchownat(&parent, name, Some(owner), Some(group), AtFlags::AT_SYMLINK_NOFOLLOW).during("chown", "it")
            }
            Err(Errno::EPERM) => volume::bind(&device.source, self.make(&device.at, Node::File)?.as_fd()),
            // `--device /dev/zero`, which is there in any case.
            Err(Errno::EEXIST)
                if fstat(self.find(&device.at)?)
                    .is_ok_and(|file| file.st_rdev == number && file.st_mode & SFlag::S_IFMT.bits() == kind.bits()) =>
            {
                Ok(())
            }
            Err(errno) => Err(errno).during("mknod", device.source.display()),
        }
    }

    /// Makes the devices and links of a /dev that is the root file system's, and may have some of them.
    pub(super) fn complete_dev(&self) -> Result<()> {
        for (name, major, minor) in DEVICES {
            let at = Path::new("/dev").join(name);
            let (number, source) = ((major, minor), at.clone());
            let device = Device { at, source, kind: 'c', number, mode: 0o666, owner: (0, 0) };
            match self.place_device(&device) {
                // Something else has its name: covered, as it would be in a user namespace.
                Err(error) if error.errno() == Some(Errno::EEXIST) => {
                    volume::bind(&device.source, self.make(&device.at, Node::File)?.as_fd())?;
                }
                made => made?,
            }
        }
        let dev = self.make(Path::new("/dev"), Node::Directory)?;
        LINKS.iter().try_for_each(|(name, target)| match symlinkat(*target, &dev, *name) {
            Err(Errno::EEXIST) => Ok(()),
            made => made.during("symlink", name),
        })
    }

    /// The command's terminal is the host's /dev/pts/N, which the container does not have: `tty` and `ttyname(3)`
    /// find it as /dev/console.
    pub(super) fn name_the_terminal(&self) -> Result<()> {
        let terminal = fs::read_link("/proc/self/fd/0").during("readlink", "/proc/self/fd/0")?;
        volume::bind(&terminal, self.make(Path::new("/dev/console"), Node::File)?.as_fd())
    }
}
