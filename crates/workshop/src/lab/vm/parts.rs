//! What a virtual machine is made of: programs of this machine; virtme-ng and a kernel, kept in a cache.

use std::env;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::{AccessFlags, access};

use super::super::paint::DIM;
use crate::process;

const VIRTME: &str = "1.42";
/// Always depends on the newest kernel.
const KERNEL: &str = "linux-image-amd64";

/// Where administrators' programs are; an ordinary user's PATH often lacks it.
pub const SBIN: [&str; 2] = ["/usr/sbin", "/sbin"];

/// A program, and the Debian package that it is in.
const TOOLS: [(&str, &str); 5] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("python3", "python3-venv"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("systemd-udevd", "udev"),
];

/// What is going on, on standard error: standard output is the command's.
pub fn say(what: &str) {
    anstream::eprintln!("{DIM}{what}{DIM:#}");
}

/// # Errors
/// Another processor, or a program is missing: the message says how to get it.
pub fn tools() -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        bail!("cargo lab vm boots machines of x86_64 alone so far, and this one is {}", env::consts::ARCH);
    }
    let there = |name: &str| {
        let places = SBIN.iter().chain(&["/usr/lib/systemd", "/lib/systemd"]);
        testkit::needs::program(name) || places.map(Path::new).any(|place| place.join(name).exists())
    };
    missing(there).map_or(Ok(()), |missing| bail!("cargo lab vm lacks {missing}"))
}

/// The programs that are not there, and the command that mends it.
fn missing(there: impl Fn(&str) -> bool) -> Option<String> {
    let (programs, packages): (Vec<_>, Vec<_>) = TOOLS.iter().filter(|(program, _)| !there(program)).copied().unzip();
    (!programs.is_empty()).then(|| {
        let (programs, packages) = (programs.join(", "), packages.join(" "));
        format!("{programs}: apt-get install {packages}, or what your distribution calls them")
    })
}

/// The directory in which all of it is kept.
///
/// # Errors
/// It cannot be made, or virtme-ng could not read its name.
pub fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = base.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("boxwright/vm");
    if cache.to_string_lossy().contains(char::is_whitespace) {
        bail!("a kernel's command line cannot name {}: set XDG_CACHE_HOME to a path without blanks", cache.display());
    }
    fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
    Ok(cache)
}

/// The programs of virtme-ng, fetched when they are not there.
///
/// # Errors
/// Python cannot make a virtual environment, or the package cannot be fetched.
pub fn virtme(cache: &Path) -> Result<PathBuf> {
    let environment = cache.join(format!("virtme-ng-{VIRTME}"));
    let bin = environment.join("bin");
    // The last of what pip writes, so that an interrupted one is begun again.
    if !bin.join("vng").exists() {
        say(&format!("fetching virtme-ng {VIRTME} from PyPI into {}, once…", environment.display()));
        let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment).status();
        if !venv.context("start python3")?.success() {
            bail!("python3 makes no virtual environment: apt-get install python3-venv");
        }
        let package = format!("virtme-ng=={VIRTME}");
        succeeds(Command::new(bin.join("pip")).args(["install", "-q", "--disable-pip-version-check", &package]))?;
    }
    Ok(bin)
}

/// The image of the kernel that is kept, or of Debian's newest, fetched and unpacked: nothing is installed.
///
/// # Errors
/// There is no apt-get, or it does not have one.
pub fn kernel(cache: &Path) -> Result<PathBuf> {
    let kept = fs::read_dir(cache)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    if let Some(package) = newest(kept) {
        return image(&cache.join(package));
    }
    if !testkit::needs::program("apt-get") {
        bail!("there is no apt-get to fetch a kernel with: name one, `cargo lab vm --kernel PATH` (a bzImage)");
    }
    let depends = Command::new("apt-cache").args(["depends", KERNEL]).output().context("start apt-cache")?;
    let depends = String::from_utf8_lossy(&depends.stdout);
    let package = dependency(&depends).with_context(|| {
        format!("apt-get knows no {KERNEL}: `apt-get update`, or name a kernel, `cargo lab vm --kernel PATH`")
    })?;
    say(&format!("fetching {package} into {}, once…", cache.display()));
    let fetched = tempfile::tempdir_in(cache)?;
    let mut download = Command::new("apt-get");
    // As root, apt would become a user that may not write here.
    download.args(["-o", "APT::Sandbox::User=root", "download", package]);
    succeeds(download.current_dir(&fetched))?;
    let file = fs::read_dir(&fetched)?.flatten().next().context("apt-get download left no file")?.path();
    say("unpacking it…");
    let tree = fetched.path().join("tree");
    succeeds(Command::new("dpkg-deb").arg("-x").args([&file, &tree]))?;
    // Whole or not at all.
    fs::rename(&tree, cache.join(package))?;
    image(&cache.join(package))
}

/// The kernel package that `apt-cache depends` names.
fn dependency(depends: &str) -> Option<&str> {
    depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| name.starts_with("linux-image-"))
}

/// The kernel package with the highest version.
fn newest(names: impl Iterator<Item = String>) -> Option<String> {
    let version = |name: &String| -> Vec<u64> {
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    names.filter(|name| name.starts_with("linux-image-")).max_by_key(version)
}

fn image(tree: &Path) -> Result<PathBuf> {
    let boot = tree.join("boot");
    let mut files = fs::read_dir(&boot).with_context(|| format!("read {}", boot.display()))?.flatten();
    let image = files.find(|file| file.file_name().to_string_lossy().starts_with("vmlinuz-"));
    Ok(image.with_context(|| format!("there is no vmlinuz in {}: remove it", boot.display()))?.path())
}

/// How the kernel is called in a message.
pub fn name(kernel: &Path) -> String {
    let name = kernel.file_name().unwrap_or(kernel.as_os_str()).to_string_lossy();
    name.strip_prefix("vmlinuz-").map_or(name.clone().into_owned(), |version| format!("Linux {version}"))
}

/// Whether KVM works: `/dev/kvm` may be there and guests still fail or hang. Tried once, and remembered.
///
/// # Errors
/// qemu cannot be started, or the outcome not be kept.
pub fn kvm(cache: &Path, kernel: &Path) -> Result<bool> {
    if access("/dev/kvm", AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
        say("KVM: there is no /dev/kvm for you, so the machine is emulated, about ten times slower");
        return Ok(false);
    }
    let outcome = cache.join("kvm");
    if let Ok(kept) = fs::read_to_string(&outcome) {
        let works = kept.trim() == "works";
        if !works {
            say(&format!("KVM: did not work here; to try again: rm {}", outcome.display()));
        }
        return Ok(works);
    }
    say("KVM: trying whether it works, once…");
    // Without a root the kernel panics, restarts, and qemu ends: all in two seconds, when it runs at all.
    let image = if kernel.is_dir() { kernel.join("arch/x86/boot/bzImage") } else { kernel.to_owned() };
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "kvm", "-cpu", "host", "-m", "512M", "-display", "none", "-no-reboot"]);
    qemu.args(["-append", "panic=-1", "-kernel"]).arg(image);
    let tried = process::run(&mut qemu, Duration::from_secs(20)).context("start qemu-system-x86_64")?;
    let works = tried.status.is_some_and(|status| status.success());
    let why = if tried.status.is_none() { "the guest hangs" } else { "qemu fails" };
    say(&if works { "KVM: works".to_owned() } else { format!("KVM: does not work here, {why}; emulated instead") });
    fs::write(&outcome, if works { "works\n" } else { "does not work\n" })?;
    Ok(works)
}

/// Runs `command` to its end; what it prints goes to standard error.
fn succeeds(command: &mut Command) -> Result<()> {
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    let status = command.stdin(Stdio::null()).stdout(stderr).status();
    let status = status.with_context(|| format!("start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_gets_it() {
        assert_eq!(missing(|_| true), None);
        let said = missing(|name| !["depmod", "qemu-system-x86_64"].contains(&name)).unwrap();
        assert!(said.starts_with("qemu-system-x86_64, depmod: apt-get install qemu-system-x86 kmod"), "{said}");
    }

    #[test]
    fn the_kernel_is_the_one_that_the_package_of_all_kernels_depends_on() {
        let depends = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        assert_eq!(dependency(depends), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(dependency("W: no such package\n"), None);
    }

    #[test]
    fn the_newest_kept_kernel_is_taken_by_number_not_by_letter() {
        let names = ["virtme-ng-1.42", "linux-image-6.1.0-9-amd64", "linux-image-6.1.0-56-amd64", "kvm"];
        assert_eq!(newest(names.map(str::to_owned).into_iter()).as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(newest(["kvm".to_owned()].into_iter()), None);
    }

    #[test]
    fn a_kernel_is_called_by_its_version() {
        assert_eq!(name(Path::new("/c/boot/vmlinuz-6.1.0-56-amd64")), "Linux 6.1.0-56-amd64");
        assert_eq!(name(Path::new("/src/linux")), "linux");
    }
}
