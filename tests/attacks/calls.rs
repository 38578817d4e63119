//! Attacks by a system call that most programs never make.

use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{gethostname, setsid};
use testkit::{dir, needs, random_name};

use super::Container::{self, Plain};
use super::others::WALK_OUT;
use super::{attack, jail, secret};

/// The user namespace of somebody who was not stopped, as a link.
const SAY_NAMESPACE: &str = r#"syswrite(STDOUT, readlink("/proc/self/ns/user"))"#;
/// The mounts of somebody who was not stopped.
const SAY_MOUNTS: &str = r#"open(my $mounts, "<", "/proc/self/mountinfo"); print <$mounts>"#;

/// Whether what was said is a user namespace, and not the caller's.
fn is_another_namespace(said: &str) -> bool {
    said.starts_with("user:") && fs::read_link("/proc/self/ns/user").expect("/proc").as_os_str() != said
}

#[test]
fn unshare_a_user_namespace() {
    needs!(program = perl);
    attack(Plain, |container| {
        // Nobody in a chroot may make one.
        let script = format!("{WALK_OUT} syscall({}, {}); {SAY_NAMESPACE}", libc::SYS_unshare, libc::CLONE_NEWUSER);
        let said = container.perl("", &script);
        container.judge(&["seccomp"], is_another_namespace(&said), &said);
    });
}

#[test]
fn clone3_into_a_user_namespace() {
    needs!(program = perl);
    attack(Plain, |container| {
        // flags, …, exit_signal, …: they are in memory, where no filter looks.
        let args = format!(r#"pack("Q8", {}, 0, 0, 0, {}, 0, 0, 0)"#, libc::CLONE_NEWUSER, libc::SIGCHLD);
        let make = format!("{WALK_OUT} my $args = {args}; my $pid = syscall({}, $args, 64);", libc::SYS_clone3);
        let said = container.perl("", &format!("{make} if ($pid == 0) {{ {SAY_NAMESPACE}; exit }} wait"));
        container.judge(&["seccomp"], is_another_namespace(&said), &said);
    });
}

#[test]
fn read_the_hosts_keys() {
    needs!(program = perl);
    attack(Plain, read_a_key);
}

/// In the keyring of the user, which is the same for all who have this id.
pub fn read_a_key(container: Container) {
    let (name, text, users_keyring) = (random_name("key"), random_name("secret"), -4i64);
    let description = CString::new(name.as_str()).expect("no NUL");
    // SAFETY: two C strings and a buffer of the length given; all outlive the call.
    let key = Errno::result(unsafe {
        let (kind, description) = (c"user".as_ptr(), description.as_ptr());
        libc::syscall(libc::SYS_add_key, kind, description, text.as_ptr(), text.len(), users_keyring)
    });
    let (key, keyctl, unlink, search, read) = (key.expect("add_key"), libc::SYS_keyctl, 9, 10, 11);
    let script = format!(
        r#"my ($kind, $name, $text) = ("user", "{name}", " " x 99);
           my $key = syscall({keyctl}, {search}, {users_keyring}, $kind, $name, 0);
           syscall({keyctl}, {read}, $key, $text, 99); print $text"#
    );
    let said = container.perl("", &script);
    // SAFETY: the call takes integers.
    Errno::result(unsafe { libc::syscall(keyctl, unlink, key, users_keyring) }).expect("KEYCTL_UNLINK");
    container.judge(&["seccomp"], said.contains(&text), &said);
}

#[test]
fn load_a_program_into_the_kernel() {
    needs!(root, program = perl);
    attack(Plain, load_a_program);
}

/// One for the kernel's scheduler of packets, which no setting gives to everybody.
pub fn load_a_program(container: Container) {
    let (prog_load, sched_cls) = (5, 3);
    // Its code is: r0 = 0; exit.
    let script = format!(
        r#"my ($code, $license) = (pack("H*", "b7000000000000009500000000000000"), "GPL");
           my $attr = pack("LLPP", {sched_cls}, 2, $code, $license); my $fd = syscall({}, {prog_load}, $attr, 24);
           open(my $info, "<", "/proc/self/fdinfo/$fd"); print <$info>"#,
        libc::SYS_bpf
    );
    let said = container.perl("", &script);
    container.judge(&["seccomp", "caps"], said.contains("prog_type:\t3"), &said);
}

#[test]
fn make_an_io_uring() {
    needs!(program = perl);
    let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    if disabled.is_ok_and(|text| text.trim() != "0") {
        return testkit::needs::skip(module_path!(), "io_uring: sysctl kernel.io_uring_disabled=0");
    }
    attack(Plain, |container| {
        let make =
            format!(r#"my $parameters = "\0" x 120; my $fd = syscall({}, 1, $parameters);"#, libc::SYS_io_uring_setup);
        let said = container.perl("", &format!(r#"{make} print readlink("/proc/self/fd/$fd")"#));
        container.judge(&["seccomp"], said.contains("io_uring"), &said);
    });
}

#[test]
fn reach_the_hypervisor() {
    needs!(program = perl);
    // SAFETY: socket takes three integers.
    let own = Errno::result(unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) });
    let Ok(own) = own else {
        return testkit::needs::skip(module_path!(), "vsock: a kernel with the module vsock");
    };
    // SAFETY: the descriptor was made above, and is nobody else's.
    drop(unsafe { OwnedFd::from_raw_fd(own) });
    attack(Plain, |container| {
        let script = format!(
            "socket(my $socket, {}, {}, 0) or die $!; print fileno($socket)",
            libc::AF_VSOCK,
            libc::SOCK_STREAM
        );
        let said = container.perl("", &script);
        container.judge(&["seccomp"], said.parse::<i32>().is_ok(), &said);
    });
}

#[test]
fn mount_something() {
    needs!(program = perl);
    attack(Plain, |container| {
        let words = r#"my ($what, $at, $kind) = ("none", "/tmp", "tmpfs");"#;
        let script = format!("{words} syscall({}, $what, $at, $kind, 0, 0); {SAY_MOUNTS}", libc::SYS_mount);
        let said = container.perl("", &script);
        container.judge(&["seccomp", "caps"], said.contains(" /tmp "), &said);
    });
}

#[test]
fn unmount_what_protects() {
    needs!(program = perl);
    attack(Plain, |container| {
        let unmount = format!(r#"my $at = "/proc/sys"; syscall({}, $at, 0);"#, libc::SYS_umount2);
        let said = container.perl("", &format!("{unmount} {SAY_MOUNTS}"));
        let is_gone = said.contains(" /proc ") && !said.contains(" /proc/sys ");
        container.judge(&["seccomp", "caps"], is_gone, &said);
    });
}

#[test]
fn rename_the_host() {
    needs!(program = perl);
    attack(Plain, rename);
}

/// By its own UTS namespace, if it has one.
pub fn rename(container: Container) {
    let said =
        container.perl("", &format!("{}; print $!", SET_NAME.replace("CALL", &libc::SYS_sethostname.to_string())));
    container.judge(&["seccomp", "caps", "uts"], is_renamed(), &said);
}

/// What renames the host, in Perl.
pub const SET_NAME: &str = r#"my $name = "attacked"; syscall(CALL, $name, 8)"#;

pub fn is_renamed() -> bool {
    gethostname().expect("gethostname") == "attacked"
}

#[test]
fn open_by_handle() {
    needs!(root, program = perl);
    attack(Plain, shocker);
}

/// A file beside a volume, by the number of its inode. An attacker guesses what is looked up here.
pub fn shocker(container: Container) {
    let (path, text) = secret();
    fs::create_dir(dir().join("volume")).expect("mkdir");
    let mut handle = vec![0u8; 136];
    handle[..4].copy_from_slice(&128u32.to_ne_bytes());
    let (c_path, mut mount_id) = (CString::new(path.as_os_str().as_bytes()).expect("no NUL"), 0i32);
    // SAFETY: a C string, a file_handle with room for 128 bytes, and an int; all outlive the call.
    let handled = Errno::result(unsafe {
        let (handle, mount_id) = (handle.as_mut_ptr(), &raw mut mount_id);
        libc::syscall(libc::SYS_name_to_handle_at, libc::AT_FDCWD, c_path.as_ptr(), handle, mount_id, 0)
    });
    handled.expect("name_to_handle_at");
    let hex: String = handle.iter().map(|byte| format!("{byte:02x}")).collect();
    let script = format!(
        r#"my ($handle, $at) = (pack("H*", "{hex}"), "/volume"); my $volume = syscall({}, {}, $at, 0, 0);
           my $fd = syscall({}, $volume, $handle, 0); open(my $file, "<&=", $fd); print <$file>"#,
        libc::SYS_openat,
        libc::AT_FDCWD,
        libc::SYS_open_by_handle_at
    );
    let said = container.perl(&format!("-v {}:/volume", dir().join("volume").display()), &script);
    container.judge(&["seccomp", "caps"], said.contains(&text), &said);
}

#[test]
fn type_into_the_callers_terminal() {
    needs!(program = perl);
    attack(Plain, |container| {
        let terminal = openpty(None, None).expect("openpty");
        let mut raw = tcgetattr(&terminal.slave).expect("tcgetattr");
        cfmakeraw(&mut raw);
        tcsetattr(&terminal.slave, SetArg::TCSANOW, &raw).expect("tcsetattr");
        let script = format!(r#"my $key = "!"; syscall({}, 0, {}, $key); print $!"#, libc::SYS_ioctl, libc::TIOCSTI);
        let mut command = container.command("-i", &["perl", "-e", &script]);
        jail(&["perl"]);
        command.stdin(terminal.slave.try_clone().expect("dup")).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: both calls may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0)).map(drop).map_err(Into::into)
            });
        }
        let output = command.output().expect("start boxwright");
        fcntl(&terminal.slave, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("fcntl");
        let mut typed = [0; 1];
        let worked = fs::File::from(terminal.slave).read(&mut typed).is_ok_and(|count| count == 1) && &typed == b"!";
        // Since Linux 6.2 it may be switched off for everybody without CAP_SYS_ADMIN, whose ever the terminal is.
        let is_off = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|text| text.trim() == "0");
        let walls = if is_off { ["seccomp", "caps"] } else { ["seccomp", "session and caps"] };
        container.judge(&walls, worked, &format!("{output:?}"));
    });
}
