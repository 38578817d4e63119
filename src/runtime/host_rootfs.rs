//! `--rootfs host`: a root file system out of this machine's own programs.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use model::{During, Result};

use super::read_only;
use crate::steps::root;

/// What a small container wants to have. What this machine lacks is left out.
const PROGRAMS: &str = "sh cat chmod cp cut date dd df domainname echo env false grep head hostname id ipcmk ipcs \
    kill ln ls mkdir mknod mount mv ps pwd readlink rm sed seq sleep sort stat stty tail touch true tty umount uname unshare wc";
/// Where mounts and the command's own files go.
const DIRECTORIES: [&str; 7] = ["dev/mqueue", "etc", "proc", "root", "sys", "tmp", "usr"];
/// On most machines these are links into /usr, and programs rely on it: `#!/bin/sh`.
const LINKS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Fills `rootfs`, a directory that is not there yet, by lab 05's collector.
pub fn build(rootfs: &Path) -> Result<()> {
    for directory in DIRECTORIES {
        make(&rootfs.join(directory))?;
    }
    let tmp = rootfs.join("tmp");
    fs::set_permissions(&tmp, Permissions::from_mode(0o1777)).during("chmod", tmp.display())?;
    for name in LINKS {
        // Only a link that stays inside: `usr/bin`, not `/usr/bin`.
        if let Some(target) = fs::read_link(Path::new("/").join(name)).ok().filter(|target| target.is_relative()) {
            make(&rootfs.join(&target))?;
            let link = rootfs.join(name);
            symlink(target, &link).during("symlink", link.display())?;
        }
    }
    let programs: Vec<PathBuf> = PROGRAMS.split_whitespace().filter_map(find).collect();
    read_only::but(rootfs, || root::build_rootfs(rootfs, &programs))
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).during("mkdir", directory.display())
}

/// The program's file, in the caller's PATH or where it is on any machine.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    // The usual places first: what stands elsewhere may not be in the container's PATH.
    let mut directories = usual.into_iter().chain(env::split_paths(&path).filter(|path| path.is_absolute()));
    directories.find_map(|directory| Some(directory.join(program)).filter(|file| file.is_file()))
}
