//! `state`, `list`, `ps` and `features`: they look and change nothing.

use std::io::{self, Write};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use boxwright::steps::lifecycle;
use cli::runbox::{Format, OCI_VERSION};
use model::{Container, During, Oci, Result, StateDir};
use nix::unistd::{Uid, User};
use serde_json::{Value, json};

use super::log::rfc3339;

/// `runbox state`: what the specification wants, and beside it what runc tells.
pub fn state(states: &StateDir, id: &str) -> Result<()> {
    print(&format!("{:#}\n", told(&states.container(id)?)))
}

fn told(container: &Container) -> Value {
    let unknown = Oci { version: OCI_VERSION.into(), ..Oci::default() };
    let oci = container.state.oci.as_ref().unwrap_or(&unknown);
    let status = lifecycle::status(container);
    let pid = if container.state.is_alive() { container.state.pid } else { 0 };
    let owner = User::from_uid(Uid::from_raw(oci.owner)).ok().flatten().map(|user| user.name).unwrap_or_default();
    let mut told = oci.told(&container.state.id, status, pid);
    told["rootfs"] = json!(oci.rootfs);
    told["created"] = json!(rfc3339(UNIX_EPOCH + Duration::from_secs(container.state.created_unix_s)));
    told["owner"] = json!(owner);
    told
}

/// `runbox list`.
pub fn list(states: &StateDir, format: Format, quiet: bool) -> Result<()> {
    let containers = states.containers()?;
    if quiet {
        return print(&containers.iter().map(|container| format!("{}\n", container.state.id)).collect::<String>());
    }
    if format == Format::Json {
        return print(&format!("{}\n", Value::from(containers.iter().map(told).collect::<Vec<_>>())));
    }
    let mut table = format!("{:<20} {:>8} {:<10} {:<30} {:<30} OWNER\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
    for told in containers.iter().map(told) {
        let text = |name: &str| told[name].as_str().unwrap_or_default();
        let (id, status, bundle) = (text("id"), text("status"), text("bundle"));
        let (created, owner) = (text("created"), text("owner"));
        table += &format!("{id:<20} {:>8} {status:<10} {bundle:<30} {created:<30} {owner}\n", told["pid"]);
    }
    print(&table)
}

/// `runbox ps`: the processes of the container's cgroup.
pub fn ps(states: &StateDir, id: &str, format: Format, options: &[String]) -> Result<()> {
    let pids = states.container(id)?.cgroup()?.tree_processes()?;
    if format == Format::Json {
        let pids: Vec<i32> = pids.into_iter().map(nix::unistd::Pid::as_raw).collect();
        return print(&format!("{}\n", json!(pids)));
    }
    let mut ps = Command::new("ps");
    if options.is_empty() {
        ps.arg("-ef")
    } else {
        ps.args(options)
    };
    let shown = ps.output().during("run", "ps")?;
    let shown = String::from_utf8_lossy(&shown.stdout);
    let head = shown.lines().next().unwrap_or_default();
    let column = head.split_whitespace().position(|word| word == "PID").unwrap_or(1);
    let is_ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse().ok());
        pid.is_some_and(|pid| pids.contains(&nix::unistd::Pid::from_raw(pid)))
    };
    let lines = shown.lines().skip(1).filter(is_ours).map(|line| format!("{line}\n"));
    print(&(format!("{head}\n") + &lines.collect::<String>()))
}

/// `runbox features`. Source: OCI runtime-spec, features.
pub fn features() -> Result<()> {
    let namespaces = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];
    let hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    let told = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": hooks,
        "linux": {
            "namespaces": namespaces,
            "cgroup": {"v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": false},
            "seccomp": {"enabled": true},
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
        },
        "annotations": {"org.boxwright.version": env!("CARGO_PKG_VERSION")},
    });
    print(&format!("{told:#}\n"))
}

/// Standard output, in one piece. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.during("write", "standard output"),
    }
}
