//! Real engines on runbox: podman, containerd and dockerd, each with sockets and directories of its own.
//!
//! Not under a shield: they are daemons and their helpers, and what they do is theirs. What a test starts it ends, by PID.

mod machine;
mod podman;
mod rootless;

use machine::{Machine, has_ended};
use serial_test::serial;
use testkit::needs;

#[test]
#[serial(engines)]
fn podman_runs_a_container_and_returns_its_exit_code() {
    needs!(root, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let said =
        podman.run(&["--network", "none", "--hostname", "inside"], "cat /proc/sys/kernel/hostname; id -u; exit 3");
    assert_eq!((said.code, &said.out[..]), (3, "inside\n0\n"), "{}", said.err);
    let said = podman.run(&["--network", "host"], "readlink /proc/self/ns/net");
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(said.out.trim(), ours.to_str().unwrap(), "{}", said.err);
    let said = podman.tell(&["run", "--rm", "--network", "none", "--rootfs", podman.rootfs(), "/not/there"]);
    assert_eq!(said.code, 127, "{}", said.err);
}

#[test]
#[serial(engines)]
fn podman_mounts_limits_and_lowers() {
    needs!(root, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let script = "id -u; id -g; cat /proc/self/status; echo x > /file; echo x > /run/file && echo writable";
    let flags = [
        "--network",
        "none",
        "--read-only",
        "--tmpfs",
        "/run:mode=1777,notmpcopyup",
        "--user",
        "7:8",
        "--cap-drop",
        "all",
    ];
    let said = podman.run(&flags, script);
    assert!(said.out.starts_with("7\n8\n") && said.out.ends_with("writable\n"), "{}{}", said.out, said.err);
    assert!(said.out.contains("CapBnd:\t0000000000000000") && said.out.contains("Seccomp:\t2"), "{}", said.out);
    assert!(said.err.contains("/file"), "{}", said.err);
    let volume = format!("{}:/mnt:ro", podman.directory());
    let said = podman.run(&["--network", "none", "--volume", &volume], "ls /mnt; echo x > /mnt/x");
    assert!(said.code != 0 && said.out.contains("rootfs\n"), "{}{}", said.out, said.err);
}

#[test]
#[serial(engines)]
fn podman_execs_pauses_updates_and_stops() {
    needs!(root, cgroup = pids, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let flags = ["run", "-d", "--name", "c", "--network", "none", "--memory", "64m", "--pids-limit", "30", "--rootfs"];
    podman.tell(&[&flags[..], &[podman.rootfs(), "sleep", "600"]].concat()).ok();
    let said = podman.tell(&["exec", "c", "sh", "-c", "readlink /proc/1/ns/pid /proc/self/ns/pid; exit 4"]);
    let mut lines = said.out.lines();
    assert!(said.code == 4 && lines.next() == lines.next(), "{}{}", said.out, said.err);
    podman.tell(&["exec", "-d", "c", "sleep", "600"]).ok();
    let top = podman.tell(&["top", "c", "args"]).ok();
    assert_eq!(top.out.matches("sleep 600").count(), 2, "{}", top.out);
    podman.tell(&["pause", "c"]).ok();
    let status = || podman.tell(&["inspect", "--format", "{{.State.Status}}", "c"]).ok().out.trim().to_owned();
    assert_eq!(status(), "paused");
    podman.tell(&["unpause", "c"]).ok();
    let stats = podman.tell(&["stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "c"]).ok();
    assert!(stats.out.contains("67.11MB") && stats.out.trim().ends_with(" 2"), "{}", stats.out);
    let pid: i32 = podman.tell(&["inspect", "--format", "{{.State.Pid}}", "c"]).ok().out.trim().parse().unwrap();
    podman.tell(&["stop", "--time", "1", "c"]).ok();
    assert!(has_ended(pid));
    podman.tell(&["start", "c"]).ok();
    assert_eq!(status(), "running");
    podman.tell(&["rm", "--force", "--time", "0", "c"]).ok();
}

#[test]
#[serial(engines)]
fn podman_gives_a_terminal() {
    needs!(root, program = "podman", program = "conmon", program = "script");
    let podman = Machine::podman();
    // It waits to be seen: the last words of a container that ends at once may not come through.
    let script =
        "test -t 0 && test -t 1 && test -t 2 && echo a terminal && read -r answer && test $answer = seen && exit 5";
    let command = ["run", "--rm", "-it", "--network", "none", "--rootfs", podman.rootfs(), "sh", "-c", script];
    let said = podman.on_a_terminal(&command, "a terminal", "seen\n");
    assert_eq!(said.code, 5, "{}{}", said.out, said.err);
}

#[test]
#[serial(engines)]
fn podman_shares_the_namespaces_of_a_pod() {
    needs!(root, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let image = podman.image();
    let pause = ["--infra-image", image, "--infra-command", "sleep 600"];
    podman.tell(&[&["pod", "create", "--name", "p", "--network", "none"], &pause[..]].concat()).ok();
    podman.tell(&["run", "-d", "--pod", "p", "--name", "first", image, "sleep", "600"]).ok();
    let kinds = ["/proc/self/ns/ipc", "/proc/self/ns/net", "/proc/self/ns/uts"];
    let first = podman.tell(&[&["exec", "first", "readlink"], &kinds[..]].concat()).ok().out;
    let other = podman.tell(&[&["run", "--rm", "--pod", "p", image, "readlink"], &kinds[..]].concat()).ok().out;
    assert_eq!((first.lines().count(), first), (3, other));
    podman.tell(&["pod", "rm", "--force", "--time", "0", "p"]).ok();
}

#[test]
#[serial(engines)]
fn containerd_runs_execs_pauses_and_kills() {
    needs!(root, cgroup = pids, program = "containerd", program = "ctr");
    let ctr = Machine::containerd();
    let said = ctr.tell(&[
        "run",
        "--rm",
        "--runc-binary",
        ctr.runbox(),
        "--rootfs",
        ctr.rootfs(),
        "a",
        "sh",
        "-c",
        "id -u; exit 3",
    ]);
    assert_eq!((said.code, &said.out[..]), (3, "0\n"), "{}", said.err);
    let said = ctr.tell(&["run", "--rm", "--runc-binary", ctr.runbox(), "--rootfs", ctr.rootfs(), "b", "/not/there"]);
    assert!(said.err.contains("execve /not/there: ENOENT"), "the last line of the log is shown: {}", said.err);
    ctr.tell(&["run", "-d", "--runc-binary", ctr.runbox(), "--rootfs", ctr.rootfs(), "c", "sleep", "600"]).ok();
    let said = ctr.tell(&["task", "exec", "--exec-id", "e", "c", "sh", "-c", "id -u; exit 4"]);
    assert_eq!((said.code, &said.out[..]), (4, "0\n"), "{}", said.err);
    let is = |status: &str| ctr.tell(&["task", "ls"]).ok().out.contains(status);
    ctr.tell(&["task", "pause", "c"]).ok();
    assert!(is("PAUSED"));
    ctr.tell(&["task", "resume", "c"]).ok();
    assert!(is("RUNNING"));
    assert_eq!(ctr.tell(&["task", "ps", "c"]).ok().out.lines().count(), 2);
    ctr.tell(&["task", "kill", "--signal", "KILL", "c"]).ok();
    machine::until("the task has stopped", || is("STOPPED"));
    ctr.tell(&["task", "delete", "c"]);
    ctr.tell(&["container", "delete", "c"]).ok();
}

#[test]
#[serial(engines)]
fn dockerd_runs_execs_updates_pauses_and_stops() {
    needs!(root, cgroup = pids, program = "containerd", program = "dockerd", program = "docker");
    let docker = Machine::docker();
    let image = docker.image();
    let said = docker.tell(&["run", "--rm", "--network", "none", image, "sh", "-c", "id -u; exit 3"]);
    assert_eq!((said.code, &said.out[..]), (3, "0\n"), "{}", said.err);
    let said = docker.tell(&["run", "--rm", "--network", "none", image, "/not/there"]);
    assert_eq!(said.code, 127, "{}", said.err);
    docker.tell(&["run", "-d", "--name", "box", "--network", "none", "--memory", "64m", image, "sleep", "600"]).ok();
    let said = docker.tell(&["exec", "box", "sh", "-c", "id -u; exit 4"]);
    assert_eq!((said.code, &said.out[..]), (4, "0\n"), "{}", said.err);
    docker.tell(&["update", "--memory", "80m", "--memory-swap", "100m", "box"]).ok();
    let stats = docker.tell(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "box"]).ok();
    assert!(stats.out.trim().ends_with("80MiB"), "{}", stats.out);
    assert!(docker.tell(&["top", "box"]).ok().out.contains("sleep 600"));
    docker.tell(&["pause", "box"]).ok();
    docker.tell(&["exec", "box", "true"]).refused("paused");
    docker.tell(&["unpause", "box"]).ok();
    let pid: i32 = docker.tell(&["inspect", "--format", "{{.State.Pid}}", "box"]).ok().out.trim().parse().unwrap();
    docker.tell(&["stop", "--time", "1", "box"]).ok();
    assert!(has_ended(pid));
    docker.tell(&["start", "box"]).ok();
    docker.tell(&["rm", "--force", "box"]).ok();
}
