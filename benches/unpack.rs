//! What it takes to unpack an image: boxwright side by side with umoci and podman, on a Debian root file system.
//!
//! ```sh
//! cargo bench --config .cargo/static.toml --target "$(rustc --print host-tuple)" --features solutions --bench unpack
//! ```
//!
//! `BOXWRIGHT_ROUNDS` says how many rounds, 7 unless told.
//!
//! As root, with mmdebstrap, umoci, tar and podman (packages of these names). The image is made once, into the target directory,
//! by mmdebstrap from Debian's mirror: one layer, packed by gzip. Each round loads it once with each of them, into a
//! store of its own that was not there before, one after the other, so that whatever else the machine does meets all of them;
//! what was written is on the disk before the next one begins. boxwright and umoci get an OCI layout, podman, which would copy
//! such a directory, the archive of one. The peak is that of the largest process that a command has started.
//!
//! Seen on Linux 6.18, two slow cores, ext4, 52 MB packed, medians of 5 rounds:
//!
//! | | ms | of umoci's | peak MB | of umoci's |
//! |---|---|---|---|---|
//! | boxwright | 1056 | 0.40 | 6.5 | 0.28 |
//! | umoci | 2621 | 1 | 23.2 | 1 |
//! | podman | 3109 | 1.19 | 57.6 | 2.48 |
//!
//! All of it stays until the end, some 700 MB a round: ext4 does not use an inode again that was freed within seconds, and
//! whoever comes after a removal looks at each of them for every file that it makes, five times as long as the work takes.

#![allow(unsafe_code, reason = "wait4, which tells the memory of one child")]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use model::{During, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::syncfs;

const NO_DATA: Option<&str> = None;
const NAMES: [&str; 3] = ["boxwright", "umoci", "podman"];

/// What every round has seen of one of them.
#[derive(Default)]
struct Seen {
    ms: Vec<f64>,
    peak_kb: i64,
}

/// The Debian image, as a directory and as an archive.
struct Image {
    layout: PathBuf,
    archive: PathBuf,
}

fn main() -> ExitCode {
    match measure() {
        Ok(table) => print(&table),
        Err(error) => {
            print(&format!("{error}\n"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "its table is what a benchmark is for")]
fn print(text: &str) {
    print!("{text}");
}

fn measure() -> Result<String> {
    // podman mounts its store upon itself, and that ends with us.
    unshare(CloneFlags::CLONE_NEWNS).during("unshare", "CLONE_NEWNS")?;
    mount(NO_DATA, "/", NO_DATA, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NO_DATA).during("mount", "/ private")?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let image = image(target)?;
    let place = tempfile::tempdir_in(target).during("mkdir", "a place for the stores")?;
    let rounds = std::env::var("BOXWRIGHT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let mut seen = [Seen::default(), Seen::default(), Seen::default()];
    for round in 0..rounds {
        for (name, seen) in NAMES.iter().zip(&mut seen) {
            let new = place.path().join(format!("{name}-{round}"));
            fs::create_dir(&new).during("mkdir", new.display())?;
            flush(place.path())?;
            let runs = tempfile::tempdir().during("mkdir", "a place in /tmp")?;
            let (ms, peak_kb) = timed(&mut command(name, &image, &new, runs.path()))?;
            seen.ms.push(ms);
            seen.peak_kb = seen.peak_kb.max(peak_kb);
            // Where podman has mounted its store; nobody else has.
            let _ = umount2(&new.join("root/overlay"), MntFlags::MNT_DETACH);
        }
    }
    text(&mut seen, rounds, &image)
}

/// What loads the image into the empty directory `new`; `runs` is for what podman knows until the machine's end, by a path of at most
/// 50 bytes.
fn command(name: &str, image: &Image, new: &Path, runs: &Path) -> Command {
    let mut command = Command::new(if name == "boxwright" { env!("CARGO_BIN_EXE_boxwright") } else { name });
    match name {
        "boxwright" => command.env("BOXWRIGHT_DATA", new).args(["load", "-i"]).arg(&image.layout),
        "umoci" => command.args(["unpack", "--image"]).arg(tagged(&image.layout)).arg(new.join("bundle")),
        _ => {
            command.env("TMPDIR", new).arg("--root").arg(new.join("root")).arg("--runroot").arg(runs.join(name));
            command.args(["--storage-driver", "overlay", "load", "-q", "-i"]).arg(&image.archive)
        }
    };
    command
}

/// Milliseconds until it has ended, and its peak memory. Source: wait4(2), getrusage(2).
fn timed(command: &mut Command) -> Result<(f64, i64)> {
    let begun = Instant::now();
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().during("start", format_args!("{command:?}"))?;
    // SAFETY: the structure is numbers alone, for which 0 is a value.
    let (mut status, mut usage) = (0, unsafe { std::mem::zeroed::<libc::rusage>() });
    // SAFETY: both pointers are to values of the types that the call fills, and outlive it.
    let ended = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
    Errno::result(ended).during("wait4", child.id())?;
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    if status != 0 {
        return Err(io::Error::other(format!("wait status {status}"))).during("run", format_args!("{command:?}"));
    }
    Ok((ms, usage.ru_maxrss))
}

/// Makes the image, unless it was made before.
fn image(target: &Path) -> Result<Image> {
    let image = Image { layout: target.join("debian"), archive: target.join("debian.tar") };
    if !image.archive.exists() {
        let new = tempfile::tempdir_in(target).during("mkdir", "a place for Debian")?;
        let (root, layout, archive) =
            (new.path().join("root.tar"), new.path().join("layout"), new.path().join("a.tar"));
        // A mirror may be behind the times of its updates: which packages they are is no matter here.
        let any_age = r#"--aptopt=Acquire::Check-Valid-Until "false""#;
        obey(Command::new("mmdebstrap").args(["--quiet", "--variant=minbase", any_age, "stable"]).arg(&root))?;
        obey(Command::new("umoci").args(["init", "--layout"]).arg(&layout))?;
        obey(Command::new("umoci").args(["new", "--image"]).arg(tagged(&layout)))?;
        obey(Command::new("umoci").args(["raw", "add-layer", "--image"]).arg(tagged(&layout)).arg(&root))?;
        obey(Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&archive).arg("."))?;
        if image.layout.exists() {
            fs::remove_dir_all(&image.layout).during("remove", image.layout.display())?;
        }
        fs::rename(&layout, &image.layout).during("rename", image.layout.display())?;
        fs::rename(&archive, &image.archive).during("rename", image.archive.display())?;
    }
    Ok(image)
}

/// umoci's word for the image in a layout.
fn tagged(layout: &Path) -> String {
    format!("{}:debian", layout.display())
}

fn obey(command: &mut Command) -> Result<()> {
    timed(command).map(drop)
}

/// What was written before is no business of whoever is next.
fn flush(path: &Path) -> Result<()> {
    syncfs(File::open(path).during("open", path.display())?).during("syncfs", path.display())
}

/// The table; the ratios are to the better one of the other two.
fn text(seen: &mut [Seen; 3], rounds: usize, image: &Image) -> Result<String> {
    let (major, minor) = testkit::needs::kernel();
    let bytes = fs::metadata(&image.archive).during("stat", image.archive.display())?.len();
    let mut text = format!("Linux {major}.{minor}, {rounds} rounds, Debian, {} MB packed\n", bytes / 1_000_000);
    let middles = seen.each_mut().map(|seen| median(&mut seen.ms));
    let (best_ms, least_kb) = (middles[1].min(middles[2]), seen[1].peak_kb.min(seen[2].peak_kb));
    text += "              median ms      min      max   ratio  peak MB   ratio\n";
    for ((name, middle), seen) in NAMES.iter().zip(middles).zip(seen) {
        let (least, most, peak) = (seen.ms[0], seen.ms[seen.ms.len() - 1], seen.peak_kb as f64);
        let (time, memory) = (middle / best_ms, peak / least_kb as f64);
        text += &format!("  {name:<12}{middle:>9.0} {least:>8.0} {most:>8.0} {time:>7.2} ");
        text += &format!("{:>8.1} {memory:>7.2}\n", peak / 1024.0);
    }
    Ok(text)
}

/// Sorts, and takes the middle one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
