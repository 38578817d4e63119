//! `runbox spec`: a config.json to begin with.

use std::fs;
use std::path::Path;

use model::{During, Error, Result};
use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};

use cli::runbox::OCI_VERSION;

/// Writes it into `bundle`; one that is there is not touched.
pub fn write(bundle: &Path, rootless: bool) -> Result<()> {
    let path = bundle.join("config.json");
    if path.exists() {
        return Err(Error::invalid("config.json", path.to_string_lossy(), "there is one already"));
    }
    fs::write(&path, format!("{:#}\n", config(rootless))).during("write", path.display())
}

fn config(rootless: bool) -> Value {
    let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut namespaces: Vec<Value> =
        ["pid", "network", "ipc", "uts", "cgroup", "mount"].map(|kind| json!({"type": kind})).into();
    let mut linux = json!({
        "maskedPaths": [
            "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
            "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi",
        ],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    });
    if rootless {
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({"type": "user"}));
        linux["uidMappings"] = json!([{"containerID": 0, "hostID": geteuid().as_raw(), "size": 1}]);
        linux["gidMappings"] = json!([{"containerID": 0, "hostID": getegid().as_raw(), "size": 1}]);
    } else {
        linux["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
    }
    linux["namespaces"] = namespaces.into();
    json!({
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "runbox",
        "mounts": mounts(rootless),
        "linux": linux,
    })
}

fn mounts(rootless: bool) -> Value {
    let mount = |at: &str, kind: &str, options: &[&str]| {
        let source = if kind == "bind" { at } else { kind };
        json!({"destination": at, "type": kind, "source": source, "options": options})
    };
    // An ordinary user has one group alone, and may mount a sysfs with a network namespace of its own alone.
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let sys = ["nosuid", "noexec", "nodev", "ro"];
    let sys = if rootless {
        mount("/sys", "bind", &["rbind", "nosuid", "noexec", "nodev", "ro"])
    } else {
        mount("/sys", "sysfs", &sys)
    };
    json!([
        mount("/proc", "proc", &[]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", if rootless { &pts[..5] } else { &pts }),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        sys,
        mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ])
}
