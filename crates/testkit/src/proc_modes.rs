//! The permissions of the kernel's own files in `/proc`.
//!
//! They are no namespace's: what chmod(2) makes of them through one proc is so in every proc that is mounted from now
//! on, until the machine starts again. Code that hides a file by taking its permissions away, run as root, leaves a
//! machine on which no container can read `/proc/uptime`.

use std::fs::{Permissions, metadata, set_permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sys::detached_proc;

/// Each file's and directory's name with its permissions.
pub struct ProcModes(Vec<(PathBuf, u32)>);

impl ProcModes {
    /// What a proc that is mounted now shows. Nothing for a user who cannot mount one, and who cannot change it either.
    pub fn take() -> Self {
        ProcModes(detached_proc().and_then(|proc| modes(&proc)).unwrap_or_default())
    }

    /// Gives back the permissions that were taken away since. Only those: another test may do the same just now, so
    /// what was there is not known for sure, and no more than an accident is to be mended.
    pub fn put_back(&self) {
        let Ok(proc) = detached_proc() else { return };
        for (name, before) in &self.0 {
            let path = below(&proc, name);
            if let Ok(now) = metadata(&path)
                && before & !now.permissions().mode() != 0
            {
                let _ = set_permissions(&path, Permissions::from_mode(*before));
            }
        }
    }
}

fn modes(proc: &OwnedFd) -> io::Result<Vec<(PathBuf, u32)>> {
    let mut modes = Vec::new();
    for entry in below(proc, Path::new("")).read_dir()? {
        let entry = entry?;
        // Neither links nor processes.
        let is_process = entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
        if !is_process && !entry.file_type()?.is_symlink() {
            modes.push((entry.file_name().into(), entry.metadata()?.permissions().mode()));
        }
    }
    Ok(modes)
}

fn below(proc: &OwnedFd, name: &Path) -> PathBuf {
    Path::new("/proc/self/fd").join(proc.as_raw_fd().to_string()).join(name)
}
