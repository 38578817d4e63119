//! A store on a file system of its own, with an image, and containers on it by each storage driver.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use testkit::needs::{kernel, program};
use testkit::{Disk, Rootfs, Shield, disk};

pub const MB: u64 = 1 << 20;
/// Of each file system.
const DISK_BYTES: u64 = 2048 * MB;
const NAME: &str = "plot";

/// How containers get their files, and on what file system.
pub struct Way {
    pub name: &'static str,
    pub driver: &'static str,
    pub kind: &'static str,
}

pub const VFS: Way = Way { name: "vfs", driver: "vfs", kind: "ext4" };
pub const OVERLAY: Way = Way { name: "overlay", driver: "overlay", kind: "ext4" };
pub const OVERLAY_ON_BTRFS: Way = Way { name: "overlay on btrfs", driver: "overlay", kind: "btrfs" };
pub const BTRFS: Way = Way { name: "btrfs", driver: "btrfs", kind: "btrfs" };

/// What a run needs of the machine.
pub fn check() -> Result<()> {
    if !geteuid().is_root() {
        bail!("this takes root, for a file system of its own: run it by sudo");
    }
    let programs = ["mkfs.ext4", "mkfs.btrfs", "btrfs", "tar"];
    if let Some(missing) = programs.into_iter().find(|name| !program(name)) {
        bail!("{missing} is not there (Debian: packages e2fsprogs, btrfs-progs, tar)");
    }
    Ok(())
}

/// Does `work` where whatever it mounts and leaves is seen by nobody else, and gone in the end.
pub fn apart<T: serde::Serialize + serde::de::DeserializeOwned>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // It is no test: what others do to the machine meanwhile is no failure of it.
    let shield = Shield::new().unaudited().deadline(Duration::from_secs(900));
    let answer = shield.try_run(|| work().map_err(|error| format!("{error:#}")));
    answer.map_err(|failure| anyhow::anyhow!("{failure}"))?.map_err(anyhow::Error::msg)
}

/// What a figure is worth nothing without.
pub fn machine() -> String {
    let (major, minor) = kernel();
    format!("Linux {major}.{minor}; vfs and overlay on ext4 unless told, all in memory")
}

/// A store with one image in it.
pub struct Store<'a> {
    boxwright: &'a Path,
    way: &'a Way,
    disk: Disk,
    empty_bytes: u64,
}

impl<'a> Store<'a> {
    /// With `programs` of this machine in the image, and files of so many bytes, called 0, 1, 2 and so on.
    pub fn with_image(boxwright: &'a Path, way: &'a Way, programs: &[&str], sizes: &[u64]) -> Result<Self> {
        let root = testkit::dir().join("image");
        Rootfs::build(&root, programs)?;
        for (number, &bytes) in sizes.iter().enumerate() {
            fill(&root.join(number.to_string()), bytes)?;
        }
        let archive = root.with_extension("tar");
        let (from, to) = (root.display().to_string(), archive.display().to_string());
        disk::command("tar", &["-C", &from, "-cf", &to, "."])?;
        let disk = Disk::mount(way.kind, DISK_BYTES)?;
        let empty_bytes = disk.used_bytes()?;
        let store = Store { boxwright, way, disk, empty_bytes };
        store.boxwright(&["import", &to, NAME])?;
        // What the driver makes once for all containers.
        store.boxwright(&["run", "--rm", "--storage-driver", way.driver, NAME, "sh", "-c", ":"])?;
        fs::remove_dir_all(root)?;
        fs::remove_file(archive)?;
        Ok(store)
    }

    /// What image and containers take of the disk.
    pub fn used_mb(&self) -> Result<f64> {
        Ok(self.disk.used_bytes()?.saturating_sub(self.empty_bytes) as f64 / MB as f64)
    }

    /// A container of the image; `flags` are those of `boxwright run`.
    pub fn run(&self, flags: &[&str], script: &str) -> Command {
        let mut command = self.command();
        command.args(["run", "--storage-driver", self.way.driver]).args(flags).args([NAME, "sh", "-c", script]);
        command
    }

    fn boxwright(&self, args: &[&str]) -> Result<()> {
        let mut command = self.command();
        succeed(command.args(args))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.boxwright);
        command.env("BOXWRIGHT_DATA", self.disk.path().join("data")).stdin(Stdio::null());
        command
    }
}

/// Runs a command of boxwright to its end.
pub fn succeed(command: &mut Command) -> Result<()> {
    let output =
        command.output().with_context(|| format!("start {}", PathBuf::from(command.get_program()).display()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A file of bytes that no file system can leave out.
fn fill(path: &Path, bytes: u64) -> Result<()> {
    let piece: Vec<u8> = (0..16 << 10).map(|byte| (byte % 251) as u8).collect();
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    for _ in 0..bytes.div_ceil(piece.len() as u64) {
        file.write_all(&piece).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
