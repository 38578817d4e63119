//! podman as an ordinary user, who has subordinate ids: podman starts runbox as root of a user namespace of its own.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::geteuid;
use serial_test::serial;
use testkit::needs;

use crate::machine::{Machine, has_ended};
use crate::podman::plays_a_pod;

#[test]
#[serial(engines)]
fn podman_of_a_user_runs_containers_that_are_root_inside() {
    needs!(user, subuid, program = "podman", program = "conmon", program = "slirp4netns");
    let podman = Machine::podman();
    let said = podman.run(&["--network", "none"], "id -u; cat /proc/self/uid_map; exit 3");
    let words: Vec<&str> = said.out.split_whitespace().collect();
    let own = geteuid().to_string();
    let seen = (said.code, words.get(..5));
    assert_eq!(seen, (3, Some(&["0", "0", &own, "1", "1"][..])), "{}{}", said.out, said.err);
    let first: u32 = words[5].parse().unwrap();
    let volume = podman.path("volume");
    fs::create_dir(&volume).unwrap();
    // Its root is the user outside, and whoever else is in it a subordinate id.
    let flags = ["--network", "none", "--volume", &format!("{volume}:/mnt"), "--cap-drop", "all"];
    let said = podman.run(&flags, "echo x > /mnt/root");
    assert_eq!(said.code, 0, "{}", said.err);
    fs::set_permissions(&volume, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let said = podman.run(&[&flags[..], &["--user", "7:8"]].concat(), "echo x > /mnt/other; cat /proc/self/status");
    assert!(
        said.out.contains("CapBnd:\t0000000000000000") && said.out.contains("Seccomp:\t2"),
        "{}{}",
        said.out,
        said.err
    );
    let owner = |name: &str| fs::metadata(format!("{volume}/{name}")).unwrap().uid();
    assert_eq!((owner("root"), owner("other")), (geteuid().as_raw(), first + 6));
    // Its own network, with a way out; and the machine's.
    let said = podman.run(&[], "cat /proc/net/dev");
    assert!(said.out.contains("tap0:"), "{}{}", said.out, said.err);
    let said = podman.run(&["--network", "host"], "readlink /proc/self/ns/net");
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(said.out.trim(), ours.to_str().unwrap(), "{}", said.err);
}

#[test]
#[serial(engines)]
fn podman_of_a_user_execs_and_stops() {
    needs!(user, subuid, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let command = ["--rootfs", podman.rootfs(), "sleep", "600"];
    podman.tell(&[&["run", "-d", "--name", "c", "--network", "none"], &command[..]].concat()).ok();
    let said = podman.tell(&["exec", "c", "sh", "-c", "readlink /proc/1/ns/pid /proc/self/ns/pid; id -u; exit 4"]);
    let lines: Vec<&str> = said.out.lines().collect();
    let is_in = matches!(lines[..], [first, own, "0"] if first == own);
    assert!(said.code == 4 && is_in, "{}{}", said.out, said.err);
    assert_eq!(podman.tell(&["top", "c", "args"]).ok().out.matches("sleep 600").count(), 1);
    let pid: i32 = podman.tell(&["inspect", "--format", "{{.State.Pid}}", "c"]).ok().out.trim().parse().unwrap();
    podman.tell(&["stop", "--time", "1", "c"]).ok();
    assert!(has_ended(pid));
    podman.tell(&["start", "c"]).ok();
    podman.tell(&["exec", "c", "true"]).ok();
    podman.tell(&["rm", "--force", "--time", "0", "c"]).ok();
}

#[test]
#[serial(engines)]
fn podman_of_a_user_plays_a_pod_of_two_containers() {
    needs!(user, subuid, program = "podman", program = "conmon");
    plays_a_pod(&Machine::podman());
}
