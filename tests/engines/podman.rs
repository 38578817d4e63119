//! What else podman does with containers: networks, pods of a file, volumes and limits, checks of their health.

use std::fs;

use serial_test::serial;
use testkit::needs;

use crate::machine::{Machine, until};

#[test]
#[serial(engines)]
fn podman_joins_containers_by_a_bridge_and_publishes_a_port() {
    needs!(root, program = "podman", program = "conmon", program = "/usr/lib/podman/netavark", program = "iptables");
    needs!(program = "busybox");
    let podman = Machine::podman_in_a_network();
    let serves = "while :; do echo hello | busybox nc -l -p 80; done";
    let flags = ["run", "-d", "--name", "web", "--network", "bridge", "--publish", "8080:80", "--rootfs"];
    podman.tell(&[&flags[..], &[podman.rootfs(), "sh", "-c", serves]].concat()).ok();
    let address = podman.tell(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", "web"]).ok().out;
    let address = address.trim();
    let asks = format!("busybox ip -4 address show eth0; busybox nc -w 5 {address} 80");
    // It may be between two answers.
    until("a neighbour is answered", || {
        let said = podman.run(&["--network", "bridge"], &asks);
        said.out.contains("inet 10.88.0.") && !said.out.contains(address) && said.out.ends_with("hello\n")
    });
    until("the port answers", || podman.beside(&["busybox", "nc", "-w", "5", "127.0.0.1", "8080"]).out == "hello\n");
    podman.tell(&["rm", "--force", "--time", "0", "web"]).ok();
    let gone = podman.beside(&["busybox", "ip", "link", "show", "podman0"]);
    assert!(gone.code != 0, "the bridge ends with the last on it: {}", gone.out);
}

#[test]
#[serial(engines)]
fn podman_plays_a_pod_of_two_containers() {
    needs!(root, program = "podman", program = "conmon");
    plays_a_pod(&Machine::podman());
}

/// `play kube` with two containers: which namespaces are one, and which two.
pub fn plays_a_pod(podman: &Machine) {
    let image = podman.image();
    let container = |name| {
        format!(r#"{{"name": "{name}", "image": "{image}", "imagePullPolicy": "Never", "command": ["sleep", "600"]}}"#)
    };
    let (file, two) = (podman.path("pod.yaml"), [container("first"), container("other")].join(", "));
    let pod = format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "p"}}, "spec": {{"containers": [{two}]}}}}"#
    );
    fs::write(&file, pod).unwrap();
    podman.tell(&["play", "kube", "--network", "none", &file]).ok();
    let namespaces = |kinds: &[&str]| {
        let links: Vec<String> = kinds.iter().map(|kind| format!("/proc/self/ns/{kind}")).collect();
        let links = links.iter().map(String::as_str);
        ["p-first", "p-other"].map(|name| {
            let said =
                podman.tell(&["exec", name, "readlink"].into_iter().chain(links.clone()).collect::<Vec<_>>()).ok();
            said.out.lines().map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let [first, other] = namespaces(&["ipc", "net", "uts"]);
    assert_eq!((first.len(), first), (3, other));
    let [first, other] = namespaces(&["pid", "mnt"]);
    assert!(first.iter().zip(&other).all(|(first, other)| first != other), "{first:?} {other:?}");
    podman.tell(&["pod", "rm", "--force", "--time", "0", "p"]).ok();
}

#[test]
#[serial(engines)]
fn podman_keeps_a_volume_and_the_kernel_knows_the_limits() {
    needs!(root, cgroup = pids, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let flags = ["--network", "none", "--volume", "v:/kept"];
    let said = podman.run(&flags, "echo text > /kept/file");
    assert_eq!(said.code, 0, "{}", said.err);
    let limits = ["--memory", "64m", "--pids-limit", "30", "--cpus", "0.5"];
    // In version 1's trees, or version 2's.
    let script = "cat /kept/file; cd /sys/fs/cgroup; \
                  cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us || cat memory.max pids.max cpu.max";
    let said = podman.run(&[&flags[..], &limits].concat(), script);
    let lines: Vec<&str> = said.out.lines().collect();
    let are_known = matches!(lines[..], ["text", "67108864", "30", "50000" | "50000 100000"]);
    assert!(are_known, "{lines:?} {}", said.err);
    podman.tell(&["volume", "rm", "v"]).ok();
}

#[test]
#[serial(engines)]
fn podman_checks_the_health_of_a_container() {
    needs!(root, program = "podman", program = "conmon");
    let podman = Machine::podman();
    let check = ["--health-cmd", "CMD ls /healthy", "--health-interval", "disable", "--health-retries", "1"];
    let command = ["--rootfs", podman.rootfs(), "sleep", "600"];
    podman.tell(&[&["run", "-d", "--name", "c", "--network", "none"], &check[..], &command].concat()).ok();
    let status = || podman.tell(&["inspect", "--format", "{{.State.Health.Status}}", "c"]).ok().out.trim().to_owned();
    let said = podman.tell(&["healthcheck", "run", "c"]);
    assert_eq!((said.code, status()), (1, "unhealthy".into()), "{}", said.err);
    podman.tell(&["exec", "c", "sh", "-c", ": > /healthy"]).ok();
    let said = podman.tell(&["healthcheck", "run", "c"]);
    assert_eq!((said.code, status()), (0, "healthy".into()), "{}", said.err);
    podman.tell(&["rm", "--force", "--time", "0", "c"]).ok();
}
