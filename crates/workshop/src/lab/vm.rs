//! `cargo lab vm`: this machine's files under another kernel, with cgroup v2 and a root that can break nothing.
//!
//! virtme-ng boots the kernel over this machine's file system, which it shares read-only; [`parts`] gets what that
//! takes. What the machine writes goes to its own memory, and is gone with it; what changes here while it runs, it
//! need not see.

mod parts;

use std::env;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Usage;
use super::paint::DIM;
use crate::course::Course;
use testkit::needs::DISPOSABLE;

const PROCESSORS: &str = "2";
const MEMORY: &str = "3G";

/// Drivers that udev would load for devices and instructions that no lab uses: half of the time to boot, when emulated.
const NOT_LOADED: &str = "modprobe.blacklist=kvm_amd,kvm_intel,ahci,psmouse,pcspkr,i2c_i801,lpc_ich,aesni_intel,\
                          ghash_clmulni_intel,crc32_pclmul,crct10dif_pclmul,sha1_ssse3,sha256_ssse3,sha512_ssse3,\
                          crc32c_intel,i6300esb,powernow_k8,acpi_cpufreq,evdev,button,serio_raw,qemu_fw_cfg";

/// What costs an emulated machine most and tells nothing about a container. Randomised addresses make an emulator
/// translate a program anew each time it starts. Defences against the processor's speculation, memory that is zeroed
/// twice and a fifth level of page tables are work for nothing there; a clock other than the TSC is a system call for
/// each look at it. The kernel's check of its timer can fail on a busy host, and ends the machine then.
const EMULATED: [&str; 3] = [
    "--disable-kvm",
    "--append",
    "norandmaps nokaslr mitigations=off init_on_alloc=0 no5lvl tsc=reliable clocksource=tsc no_timer_check",
];

/// This machine's files a second time, under a name of ours: virtme-ng mounts its own without a cache, and every start
/// of a program would ask this machine for each page of it.
const FILES: &str = "local,path=/,mount_tag=boxwright,security_model=none,readonly=on,multidevs=remap";
/// How many times longer tests have to wait there.
const SLOWNESS: &str = "8";

/// What the command finds in its environment as it is here; the rest is the machine's own.
const KEPT: [&str; 9] =
    ["PATH", "HOME", "SHELL", "TERM", "NO_COLOR", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR", "RUST_BACKTRACE"];

/// The first line on the machine's standard error: from here on, the command speaks.
const UP: &str = "boxwright: the machine is up";

/// Runs `command` in a virtual machine, in the course's directory, as root; or a shell. The exit code is the command's.
///
/// # Errors
/// Something that it takes is missing, or the machine does not come up.
pub fn run(course: &Course, kernel: Option<&Path>, command: &[String]) -> Result<ExitCode> {
    if command.is_empty() && !io::stdin().is_terminal() {
        let usage = "there is no terminal for a shell: name a command, `cargo lab vm -- COMMAND`";
        return Err(Usage(usage.into()).into());
    }
    parts::tools()?;
    let cache = parts::cache()?;
    let bin = parts::virtme(&cache)?;
    let kernel = match kernel {
        Some(path) => path.canonicalize().with_context(|| format!("the kernel {}", path.display()))?,
        None => parts::kernel(&cache)?,
    };
    let kvm = parts::kvm(&cache, &kernel)?;

    let mut set = KEPT.iter().filter_map(|name| Some((*name, env::var(name).ok()?))).collect::<Vec<_>>();
    set.extend((!kvm).then(|| (testkit::SLOWNESS, SLOWNESS.to_owned())));
    let mut file = tempfile::Builder::new().prefix("run-").tempfile_in(&cache)?;
    file.write_all(script(&course.root, &set, command).as_bytes())?;
    file.as_file().set_permissions(PermissionsExt::from_mode(0o755))?;
    // Closed: a file that is open for writing cannot be executed.
    let file = file.into_temp_path();
    let mut machine = machine(&bin, &kernel, kvm, &file, command.is_empty());

    let how = if kvm { "KVM" } else { "software emulation" };
    parts::say(&format!("booting {} by {how}, {PROCESSORS} processors, {MEMORY}…", parts::name(&kernel)));
    if command.is_empty() {
        let status = machine.status().context("start vng")?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let begun = Instant::now();
    // Through pipes of ours: qemu would open a file a second time, and write from its beginning.
    let mut running = machine.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("start vng")?;
    let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
    let copying = thread::spawn(move || stdout.map(|mut from| io::copy(&mut from, &mut io::stdout())));
    let is_up = stderr.map_or(Ok(false), |from| relay(from, &mut io::stderr(), begun))?;
    copying.join().ok().flatten().transpose()?;
    let status = running.wait()?;
    if !is_up {
        bail!("the machine did not come up; see how far it gets: {:?} --verbose", machine);
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The machine as virtme-ng's command: every option that is ours, and none of what it does with them.
fn machine(bin: &Path, kernel: &Path, kvm: bool, script: &Path, interactive: bool) -> Command {
    let mut vng = Command::new(bin.join("vng"));
    // It starts its own programs by name.
    let path = env::var_os("PATH").unwrap_or_default();
    let paths = [bin.to_owned()].into_iter().chain(env::split_paths(&path)).chain(parts::SBIN.map(PathBuf::from));
    vng.env("PATH", env::join_paths(paths).unwrap_or(path.clone()));
    vng.arg("--run").arg(kernel).args(["--name", "boxwright", "--user", "root"]);
    vng.args(["--cpus", PROCESSORS, "--memory", MEMORY, "--append", NOT_LOADED, "--append", DISPOSABLE]);
    // Where virtme-ng finds virtiofsd it would take a machine type without PCI, which has no place for ours.
    vng.args(["--force-9p", "--disable-microvm"]).arg(format!("--qemu-opts=-virtfs {FILES}"));
    if !kvm {
        vng.args(EMULATED);
    }
    vng.arg(if interactive { "--shell" } else { "--exec" }).arg(script);
    vng
}

/// What the machine runs first: it does what systemd would have done, then becomes `command`, or the user's shell.
fn script(directory: &Path, environment: &[(&str, String)], command: &[String]) -> String {
    let exports: String =
        environment.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    let command = match command {
        [] => r#""${SHELL:-/bin/sh}""#.to_owned(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    format!(
        r#"#!/bin/sh
[ -t 2 ] || echo '{UP}' >&2
{exports}repo={directory}
# A root of its own in place of virtme-ng's: one layer in memory over all, and what was read is kept.
set -e
mkdir /run/root
mount -t tmpfs -o mode=755 layer /tmp
mkdir /tmp/host /tmp/upper /tmp/work
mount -t 9p -o ro,version=9p2000.L,trans=virtio,access=any,msize=512000,cache=loose boxwright /tmp/host
mount -t overlay -o lowerdir=/tmp/host,upperdir=/tmp/upper,workdir=/tmp/work boxwright /run/root
for place in dev proc sys lib/modules; do
    mkdir -p /run/root/$place
    mount --move /$place /run/root/$place
done
cd /run/root
pivot_root . mnt
mount --bind mnt/run run
umount -l mnt
rmdir /run/root
set +e
mkdir -p /dev/mqueue && mount -t mqueue mqueue /dev/mqueue
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
cd "$repo" || exit
exec {command}
"#,
        directory = quoted(&directory.display().to_string()),
    )
}

/// One word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Hands on what the machine says on its standard error; whether it came up, which it says first.
fn relay(from: impl Read, to: &mut impl Write, begun: Instant) -> io::Result<bool> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        if line.trim_ascii() == UP.as_bytes() {
            anstream::eprintln!("{DIM}up after {} s{DIM:#}", begun.elapsed().as_secs());
            io::copy(&mut from, to)?;
            return Ok(true);
        }
        to.write_all(&line)?;
        line.clear();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_kernel_emulation_and_script() {
        let words = |command: &Command| {
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let [bin, kernel, script] = ["/c/bin", "/c/vmlinuz", "/c/run-1"].map(Path::new);
        let emulated = machine(bin, kernel, false, script, false);
        assert_eq!(emulated.get_program(), "/c/bin/vng");
        let line = words(&emulated);
        assert!(line.starts_with("--run /c/vmlinuz ") && line.ends_with(" no_timer_check --exec /c/run-1"), "{line}");
        let line = words(&machine(bin, kernel, true, script, true));
        assert!(!line.contains("--disable-kvm") && line.ends_with(" --shell /c/run-1"), "{line}");
    }

    #[test]
    fn the_script_passes_words_on_as_they_are() {
        let words = ["printf", "%s|", "it's", "$HOME", "a  b", "", "\\n"].map(str::to_owned);
        let text = script(Path::new("/a b"), &[("X", "1 '2'".to_owned())], &words);
        assert!(text.contains("\nexport X='1 '\\''2'\\'''\n") && text.contains("\nrepo='/a b'\n"), "{text}");
        let command = text.lines().last().unwrap();
        let printed = Command::new("sh").args(["-c", command]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout), "it's|$HOME|a  b||\\n|");
    }

    #[test]
    fn without_a_command_it_is_the_users_shell() {
        assert!(script(Path::new("/"), &[], &[]).ends_with("\nexec \"${SHELL:-/bin/sh}\"\n"));
    }

    #[test]
    fn what_comes_before_and_after_the_machine_is_up_is_handed_on() {
        let mut seen = Vec::new();
        let said = format!("vng: a warning\n{UP}\none\ntwo");
        assert!(relay(said.as_bytes(), &mut seen, Instant::now()).unwrap());
        assert_eq!(seen, b"vng: a warning\none\ntwo");
        assert!(!relay(&b"no such kernel"[..], &mut Vec::new(), Instant::now()).unwrap());
    }
}
