//! What a container's own layer costs, and the first write to a file: by a full copy, an overlay, a snapshot.
//!
//! ```sh
//! cargo bench --profile dev --features solutions --bench layers
//! ```
//!
//! As root, with mkfs.ext4, mkfs.btrfs and btrfs (package btrfs-progs). Both file systems are in files in memory, some 1 GB:
//! what is measured is the work, and not the disk's patience. The fastest round counts: on a machine that has other things to
//! do too, it is the one that tells what the work takes. The time is the kernel's, so nothing is gained by an optimised build.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use boxwright::runtime::btrfs;
use boxwright::steps::overlay;
use model::layer::{Marks, Overlay};
use model::plan::Driver;
use model::{During, Error, Result};
use nix::mount::{MntFlags, umount2};
use nix::unistd::geteuid;
use testkit::disk::command;
use testkit::{Disk, Shield};

const ROUNDS: usize = 7;
const MB: u64 = 1 << 20;
/// How many files of which size, in bytes: some 60 MB, as a small distribution has them.
const IMAGE: [(u64, u64); 3] = [(1800, 16 << 10), (100, 256 << 10), (6, MB)];
/// Of the files that are written to.
const SIZES_MB: [u64; 3] = [1, 10, 100];

fn main() {
    match Shield::new().deadline(Duration::from_secs(900)).try_run(|| measure().map_err(|e| e.to_string())) {
        Ok(Ok(table)) => print(&table),
        Ok(Err(error)) => fail(&error),
        Err(failure) => fail(&failure.to_string()),
    }
}

/// A file system of its own, with what the layers lie on.
struct Place(Disk);

impl Place {
    fn image(&self) -> PathBuf {
        self.0.path().join("image")
    }

    fn files(&self) -> PathBuf {
        self.0.path().join("files")
    }

    fn fill(&self) -> Result<()> {
        let mut number = 0..;
        for (count, bytes) in IMAGE {
            for number in number.by_ref().take(count as usize) {
                let parent = self.image().join(format!("{}", number % 100));
                fs::create_dir_all(&parent).during("mkdir", parent.display())?;
                write(&parent.join(format!("{number}")), bytes)?;
            }
        }
        SIZES_MB.iter().try_for_each(|size| write(&self.files().join(size.to_string()), size * MB))
    }
}

fn measure() -> Result<String> {
    if !geteuid().is_root() {
        return Err(Error::invalid("the user", geteuid().to_string(), "root, for a file system of its own"));
    }
    let [ext4, btrfs] = [Disk::mount("ext4", 1024 * MB)?, Disk::mount("btrfs", 1024 * MB)?].map(Place);
    for subvolume in [btrfs.image(), btrfs.files()] {
        command("btrfs", &["-q", "subvolume", "create", &subvolume.display().to_string()])?;
    }
    fs::create_dir(ext4.files()).during("mkdir", "files")?;
    ext4.fill()?;
    btrfs.fill()?;

    let (major, minor) = testkit::needs::kernel();
    let files: u64 = IMAGE.iter().map(|(count, _)| count).sum();
    let mut table =
        format!("Linux {major}.{minor}; {} in {files} files; the fastest of {ROUNDS} rounds\n", mb(total()));
    table += &format!("{:<18}{:>12}{:>10}", "", "made in", "takes");
    SIZES_MB.iter().for_each(|size| table += &format!("{:>10}", format!("{size} MB")));
    table += &format!("{:>10}\n", "takes");
    for (name, driver, place) in [
        ("vfs", Driver::Vfs, &ext4),
        ("overlay", Driver::Overlay, &ext4),
        ("overlay on btrfs", Driver::Overlay, &btrfs),
        ("btrfs", Driver::Btrfs, &btrfs),
    ] {
        table += &one(name, driver, place)?;
    }
    Ok(table
        + "made in: a layer of that many files; 1 MB …: one byte is appended to a file of that size; takes: on the disk\n")
}

/// A line of the table.
fn one(name: &str, driver: Driver, place: &Place) -> Result<String> {
    let (mut made, mut takes) = (Vec::new(), Vec::new());
    let mut writes = SIZES_MB.map(|_| Vec::new());
    let mut after = Vec::new();
    let layer = place.0.path().join("layer");
    for _ in 0..ROUNDS {
        let before = place.0.used_bytes()?;
        let start = Instant::now();
        make(driver, &place.image(), &layer)?;
        made.push(start.elapsed());
        takes.push(place.0.used_bytes()?.saturating_sub(before));
        remove(driver, &layer)?;

        let merged = make(driver, &place.files(), &layer)?;
        let mut before = place.0.used_bytes()?;
        for (size, times) in SIZES_MB.iter().zip(&mut writes) {
            before = place.0.used_bytes()?;
            let start = Instant::now();
            append(&merged.join(size.to_string()))?;
            times.push(start.elapsed());
        }
        after.push(place.0.used_bytes()?.saturating_sub(before));
        remove(driver, &layer)?;
    }
    let mut line = format!("{name:<18}{:>12}{:>10}", ms(fastest(made)), mb(median(takes)));
    writes.into_iter().for_each(|times| line += &format!("{:>10}", ms(fastest(times))));
    Ok(line + &format!("{:>10}\n", mb(median(after))))
}

/// Makes a layer over `lower` in the directory `layer`, and says where its files are to be seen.
fn make(driver: Driver, lower: &Path, layer: &Path) -> Result<PathBuf> {
    let directory = |name: &str| {
        let path = layer.join(name);
        fs::create_dir_all(&path).during("mkdir", path.display()).map(|()| path)
    };
    match driver {
        Driver::Overlay => {
            let [upper, work, merged] = [directory("diff")?, directory("work")?, directory("merged")?];
            let overlay = Overlay { lowers: vec![lower.to_owned()], upper, work, marks: Marks::Trusted };
            overlay::mount_overlay(&overlay, &merged).map(|()| merged)
        }
        Driver::Vfs => directory("merged").and_then(|merged| overlay::copy_tree(lower, &merged).map(|()| merged)),
        Driver::Btrfs => {
            fs::create_dir_all(layer).during("mkdir", layer.display())?;
            btrfs::snapshot(lower, layer, "merged").map(|()| layer.join("merged"))
        }
    }
}

fn remove(driver: Driver, layer: &Path) -> Result<()> {
    let merged = layer.join("merged");
    match driver {
        Driver::Overlay => umount2(&merged, MntFlags::empty()).during("umount", merged.display())?,
        Driver::Btrfs => command("btrfs", &["-q", "subvolume", "delete", "-c", &merged.display().to_string()])?,
        Driver::Vfs => {}
    }
    fs::remove_dir_all(layer).during("remove", layer.display())
}

fn append(path: &Path) -> Result<()> {
    let open = OpenOptions::new().append(true).open(path);
    open.and_then(|mut file| file.write_all(b"x")).during("write", path.display())
}

/// A file of bytes that no file system can leave out.
fn write(path: &Path, bytes: u64) -> Result<()> {
    let mut file = File::create(path).during("create", path.display())?;
    let piece: Vec<u8> = (0..16 << 10).map(|byte| (byte % 251) as u8).collect();
    (0..bytes / piece.len() as u64).try_for_each(|_| file.write_all(&piece)).during("write", path.display())
}

fn total() -> u64 {
    IMAGE.iter().map(|(count, bytes)| count * bytes).sum()
}

fn fastest(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap_or_default()
}

fn median(mut bytes: Vec<u64>) -> u64 {
    bytes.sort_unstable();
    bytes.get(bytes.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn mb(bytes: u64) -> String {
    if bytes < MB { format!("{} kB", bytes >> 10) } else { format!("{:.1} MB", bytes as f64 / MB as f64) }
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn print(table: &str) {
    print!("{table}");
}

#[expect(clippy::print_stderr, reason = "nobody else prints it")]
fn fail(error: &str) {
    eprintln!("{error}");
    std::process::exit(1);
}
