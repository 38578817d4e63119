//! Attacks on what no namespace covers. Where they work the machine is broken, so they are made in one that may be:
//! `.ci/run vm`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::libc;
use testkit::{dir, needs, random_name, rootfs};

use super::Container::{self, Plain, Remapped};
use super::{attack, jail, soon};

/// From a container of each kind.
fn attack_from_each(make: impl Fn(Container)) {
    for container in [Plain, Remapped] {
        attack(container, &make);
    }
}

/// What a program of the host prints; it succeeds.
fn host_says(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("start {program}: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn set_the_clock() {
    needs!(disposable, root, subuid, program = perl);
    attack_from_each(|container| {
        let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let set = |to: &str| {
            format!(r#"my $to = pack("qq", {to}, 0); syscall({}, 0, $to); print $!"#, libc::SYS_clock_settime)
        };
        let (before, day) = (seconds(), 86400);
        let said = container.perl("", &set(&(before + day).to_string()));
        let worked = seconds() - before >= day;
        if worked {
            host_says("perl", &["-e", &set(&format!("time - {day}"))]);
        }
        container.judge(&["seccomp", "caps"], worked, &said);
    });
}

#[test]
fn a_program_for_each_crash() {
    needs!(disposable, root, subuid, program = touch);
    attack_from_each(|container| {
        let setting = "/proc/sys/kernel/core_pattern";
        let before = fs::read_to_string(setting).expect(setting);
        // The kernel starts it, as root and outside of every container.
        let touch = rootfs::find("touch").expect("touch").display().to_string();
        let trace = Path::new("/tmp").join(random_name("crashed"));
        let crash = r#"sh -c "kill -SEGV \$\$""#;
        let said = container.run("", &format!("echo '|{touch} {}' >{setting}; {crash}; true", trace.display()));
        let worked = soon(|| trace.exists());
        fs::write(setting, before).expect(setting);
        container.judge(&["read-only"], worked, &said);
    });
}

#[test]
fn order_the_kernel_about() {
    needs!(disposable, root, subuid, program = dmesg);
    attack_from_each(|container| {
        let orders = || host_says("dmesg", &[]).matches("sysrq: HELP").count();
        let before = orders();
        // Of all its orders the one that does nothing but print.
        let said = container.run("", "echo h >/proc/sysrq-trigger");
        container.judge(&["read-only"], orders() > before, &said);
    });
}

#[test]
fn load_a_module() {
    needs!(disposable, root, subuid, program = perl, program = modinfo, program = rmmod);
    attack_from_each(|container| {
        fs::copy(host_says("modinfo", &["-n", "dummy"]), jail(&[]).join("module")).expect("copy");
        let script = format!(
            r#"open(my $module, "<", "/module"); my $none = ""; syscall({}, fileno($module), $none, 0); print $!"#,
            libc::SYS_finit_module
        );
        let said = container.perl("", &script);
        let worked = fs::read_to_string("/proc/modules").expect("/proc/modules").contains("dummy ");
        if worked {
            host_says("rmmod", &["dummy"]);
        }
        container.judge(&["seccomp", "caps"], worked, &said);
    });
}

#[test]
fn read_a_disk() {
    needs!(disposable, root, subuid, program = losetup, program = modprobe, cgroup = devices);
    attack_from_each(|container| {
        read_disk(container, "", |number| format!("mknod /dev/disk b 7 {number} && cat /dev/disk"));
    });
}

#[test]
fn read_a_disk_by_the_hosts_node() {
    needs!(disposable, root, subuid, program = losetup, program = modprobe, cgroup = devices);
    attack_from_each(|container| read_disk(container, "-v /dev:/volume", |number| format!("cat /volume/loop{number}")));
}

/// Reads a disk of the host by `script`, which is told its number.
fn read_disk(container: Container, flags: &str, script: impl FnOnce(&str) -> String) {
    let (image, text) = (dir().join("image"), random_name("secret"));
    fs::write(&image, format!("{text:4096}")).expect("a file");
    host_says("modprobe", &["loop"]);
    let disk = host_says("losetup", &["--find", "--show", "--read-only", &image.display().to_string()]);
    let said = container.run(flags, &script(disk.trim_start_matches("/dev/loop")));
    host_says("losetup", &["--detach", &disk]);
    container.judge(&["devices"], said.contains(&text), &said);
}
