//! The same in a user namespace of the caller's, who may be anybody.

use std::fs;

use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};
use testkit::{Shield, dir, needs, shielded};

use super::bundle::{Bundle, runbox};
use super::{Mounted, bundle, mount, mountinfo, prints};

/// A container in which the caller is root.
fn own() -> Bundle {
    let mut bundle = bundle();
    let map = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    bundle.config["linux"]["uidMappings"] = map(geteuid().as_raw());
    bundle.config["linux"]["gidMappings"] = map(getegid().as_raw());
    let kinds = ["user", "pid", "ipc", "uts", "mount", "network"];
    bundle.config["linux"]["namespaces"] =
        kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<Value>>().into();
    bundle
}

#[test]
fn mounts_devices_sysctls_and_limits_need_no_root_of_the_machine() {
    shielded(|| {
        let mut bundle = own();
        let volume = dir().join("volume");
        fs::create_dir(&volume).unwrap();
        mount(&mut bundle, "/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]);
        mount(&mut bundle, "/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666"]);
        mount(&mut bundle, "/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]);
        mount(&mut bundle, "/tmp", "tmpfs", "tmpfs", &["size=1m", "noexec"]);
        mount(&mut bundle, "/volume", "bind", volume.to_str().unwrap(), &["rbind", "nosuid", "nodev", "rw"]);
        mount(&mut bundle, "/closed", "bind", volume.to_str().unwrap(), &["rbind", "rro", "rnoexec"]);
        bundle.config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
        bundle.config["process"]["oomScoreAdj"] = json!(500);
        bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "4321"});
        bundle.config["linux"]["maskedPaths"] = json!(["/proc/keys"]);
        bundle.config["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
        bundle.config["root"]["readonly"] = json!(true);
        let text = mountinfo(&mut bundle);
        for (at, option) in [
            ("/", "ro"),
            ("/volume", "nosuid"),
            ("/volume", "nodev"),
            ("/closed", "ro"),
            ("/closed", "noexec"),
            ("/tmp", "noexec"),
            ("/proc/sys", "ro"),
        ] {
            assert!(Mounted::at(&text, at).options.contains(&option.to_owned()), "{at} {option}: {text}");
        }
        let script = "id -u; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/self/oom_score_adj; ulimit -n; \
                      cat /proc/keys; head -c 1 /dev/zero | wc -c; echo x > /volume/new; echo x > /new || echo refused";
        assert_eq!(prints(&mut bundle, script), "0\n1\n4321\n500\n100\n1\nrefused\n");
        assert_eq!(fs::read_to_string(volume.join("new")).unwrap(), "x\n");
    });
}

#[test]
fn an_ordinary_users_container_lives_with_one_id_and_with_subordinate_ones() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        lives(&[]);
        lives(&[json!({"containerID": 1, "hostID": 100_000, "size": 1000})]);
    });
}

/// What `spec --rootless` wrote, with more ids, through every state.
fn lives(more: &[Value]) {
    let mut bundle = Bundle::new("");
    let place = bundle.path.to_str().unwrap().to_owned();
    runbox(&["spec", "--rootless", "--bundle", &place]).ok();
    bundle.config = serde_json::from_slice(&fs::read(bundle.path.join("config.json")).unwrap()).unwrap();
    bundle.config["process"]["terminal"] = json!(false);
    bundle.config["process"]["args"] = json!(["sleep", "600"]);
    for map in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][map].as_array_mut().unwrap().extend_from_slice(more);
    }
    bundle.create().ok();
    assert_eq!(bundle.state()["status"], "created");
    bundle.tell("start").ok();
    assert_eq!(bundle.state()["status"], "running");
    let said = bundle.runbox(&["exec", &bundle.id, "sh", "-c", "id -u; cat /proc/self/uid_map; exit 4"]);
    let maps: Vec<String> =
        said.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let ranges = ["0".into(), format!("0 {} 1", geteuid()), "1 100000 1000".to_owned()];
    assert_eq!((said.code, &maps[..]), (4, &ranges[..2 + more.len()]), "{}", said.err);
    bundle.runbox(&["kill", &bundle.id, "KILL"]).ok();
    bundle.wait_for("stopped");
    bundle.tell("delete").ok();
    bundle.tell("state").refused("does not exist");
}
