//! A file system of the caller's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::{During, Error, Result};
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::statvfs;
use nix::unistd::syncfs;

/// A file system in a file in memory, mounted in the directory of a [`Shield`](crate::Shield); unmounted with the value.
#[derive(Debug)]
pub struct Disk {
    file: PathBuf,
    directory: PathBuf,
}

impl Disk {
    /// Makes and mounts a file system of a kind that `mkfs.KIND` makes, called so, of at most `bytes`. For root.
    ///
    /// # Errors
    /// What cannot be made; a program that is not there, or that fails.
    pub fn mount(kind: &str, bytes: u64) -> Result<Self> {
        let (file, directory) = (crate::dir().join(format!("{kind}.disk")), crate::dir().join(kind));
        File::create(&file).and_then(|file| file.set_len(bytes)).during("make", file.display())?;
        let disk = Disk { file, directory };
        fs::create_dir(&disk.directory).during("mkdir", disk.directory.display())?;
        let (file, at) = (disk.file.display().to_string(), disk.directory.display().to_string());
        // What ext4 would write later would be counted as somebody's.
        let options: &[&str] = if kind == "ext4" { &["-E", "lazy_itable_init=0,lazy_journal_init=0"] } else { &[] };
        command(&format!("mkfs.{kind}"), &[&["-q"], options, &[&file]].concat())?;
        command("mount", &["-o", "loop", &file, &at])?;
        Ok(disk)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// What is taken of it, once all is written.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn used_bytes(&self) -> Result<u64> {
        let name = self.directory.display();
        syncfs(File::open(&self.directory).during("open", &name)?).during("syncfs", &name)?;
        let seen = statvfs(&self.directory).during("statvfs", &name)?;
        Ok((seen.blocks() - seen.blocks_free()) * seen.fragment_size())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever stays mounted, the shield's audit finds.
        let _ = umount2(&self.directory, MntFlags::empty());
        let _ = fs::remove_dir(&self.directory);
        let _ = fs::remove_file(&self.file);
    }
}

/// Runs a program, of which only its complaints are to be seen.
///
/// # Errors
/// It is not there, or it fails.
pub fn command(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status().during("start", program)?;
    let failed = || Error::invalid("the command", format!("{program} {}", arguments.join(" ")), "one that works here");
    status.success().then_some(()).ok_or_else(failed)
}
