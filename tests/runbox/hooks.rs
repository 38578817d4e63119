//! config.md: "POSIX-platform Hooks"; runtime.md: "Lifecycle".

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::{dir, needs, shielded};

use crate::bundle::Bundle;

/// A hook that adds a line to the test's file `calls`: its kind, where it is, and what it is told.
fn hook(kind: &str) -> Value {
    let script =
        format!("echo {kind} $(readlink /proc/self/ns/mnt) $(test -e {0} && echo host) $(cat) >> {0}/calls", place());
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]})
}

fn place() -> String {
    dir().to_str().unwrap().to_owned()
}

fn calls() -> Vec<Vec<String>> {
    let text = fs::read_to_string(dir().join("calls")).unwrap_or_default();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn hooks_are_called_in_their_order_in_their_namespaces_with_the_state_on_standard_input() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("sleep 600");
        let in_there = json!({"path": testkit::rootfs::find("sh"), "args": ["sh", "-c", "echo $(readlink /proc/self/ns/mnt) $(cat) > /start"], "env": ["PATH=/bin:/usr/bin"]});
        bundle.config["hooks"] = json!({
            "prestart": [hook("prestart")],
            "createRuntime": [hook("createRuntime"), hook("createRuntime2")],
            "createContainer": [hook("createContainer")],
            "startContainer": [in_there],
            "poststart": [hook("poststart")],
            "poststop": [hook("poststop")],
        });
        let ours = fs::read_link("/proc/self/ns/mnt").unwrap().to_string_lossy().into_owned();
        bundle.create().ok();
        let pid = bundle.state()["pid"].clone();
        let theirs = fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap().to_string_lossy().into_owned();
        let start = bundle.path.join("rootfs/start");
        assert!(!start.exists(), "startContainer hooks are called by start");
        bundle.tell("start").ok();
        bundle.runbox(&["kill", &bundle.id, "KILL"]).ok();
        bundle.wait_for("stopped");
        bundle.tell("delete").ok();

        let calls = calls();
        let order: Vec<_> = calls.iter().map(|call| call[0].as_str()).collect();
        assert_eq!(order, ["prestart", "createRuntime", "createRuntime2", "createContainer", "poststart", "poststop"]);
        for call in &calls {
            let (kind, namespace) = (call[0].as_str(), &call[1]);
            let in_container = kind == "createContainer";
            assert_eq!(namespace, if in_container { &theirs } else { &ours }, "the mount namespace of {kind}");
            assert_eq!(call[2], "host", "the path of {kind} resolves in the runtime namespace");
            let state: Value = serde_json::from_str(&call[3..].join(" ")).unwrap();
            let (status, its_pid) = match kind {
                "poststart" => ("running", pid.clone()),
                "poststop" => ("stopped", json!(0)),
                // By the PID that it has in there.
                "createContainer" => ("creating", json!(1)),
                _ => ("creating", pid.clone()),
            };
            assert_eq!((&state["status"], &state["pid"], &state["id"]), (&json!(status), &its_pid, &json!(bundle.id)));
        }
        let told = fs::read_to_string(start).unwrap();
        let (namespace, state) = told.split_once(' ').unwrap();
        assert_eq!(namespace, theirs, "startContainer hooks are called in the container");
        assert_eq!(serde_json::from_str::<Value>(state).unwrap()["status"], "created");
    });
}

#[test]
fn a_hook_that_fails_before_the_program_stops_the_container_and_its_life_ends_with_the_poststop_hooks() {
    needs!(root);
    shielded(|| {
        for kind in ["prestart", "createRuntime", "createContainer"] {
            let mut bundle = Bundle::new("echo started > /mark");
            let fails = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo its words >&2; exit 3"]});
            let after = json!({"path": "/bin/sh", "args": ["sh", "-c", "exit 4"]});
            bundle.config["hooks"] = json!({kind: [fails, hook("next")], "poststop": [after, hook(kind)]});
            let said = bundle.create();
            assert!(said.code == 1 && said.err.contains("its words"), "{}", said.err);
            assert!(said.err.contains("warning: run poststop hook /bin/sh"), "{}", said.err);
            bundle.tell("state").refused("does not exist");
            assert!(!bundle.path.join("rootfs/mark").exists());
        }
        let calls = calls();
        let kinds: Vec<_> = calls.iter().map(|call| call[0].as_str()).collect();
        assert_eq!(kinds, ["prestart", "createRuntime", "createContainer"], "poststop, and not the next one");
        assert!(calls.iter().all(|call| call[3..].join(" ").contains("\"status\":\"stopped\"")), "{calls:?}");
    });
}

#[test]
fn a_start_container_hook_that_fails_is_an_error_of_start_and_stops_the_container() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("echo started > /mark");
        bundle.config["hooks"] =
            json!({"startContainer": [{"path": testkit::rootfs::find("sh"), "args": ["sh", "-c", "exit 3"]}]});
        bundle.create().ok();
        bundle.tell("start").refused("startContainer hook");
        bundle.wait_for("stopped");
        assert!(!bundle.path.join("rootfs/mark").exists(), "the program MUST NOT run");
        bundle.tell("delete").ok();
    });
}

#[test]
fn a_start_container_hook_has_the_containers_filter() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        let calls = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71}]);
        bundle.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls});
        testkit::Rootfs::build(bundle.path.join("rootfs"), &["mkdir"]).unwrap();
        let mkdir = json!({"path": testkit::rootfs::find("mkdir"), "args": ["mkdir", "/made"]});
        bundle.config["hooks"] = json!({"startContainer": [mkdir]});
        for no_new_privileges in [true, false] {
            bundle.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
            bundle.run().refused("Protocol error");
            assert!(!bundle.path.join("rootfs/made").exists());
        }
    });
}

#[test]
fn a_hook_without_an_environment_has_that_of_the_process_that_calls_it() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        let place = place();
        let print = |path: &Path, at: &str| json!({"path": path, "args": ["sh", "-c", format!("echo $PATH $WHO $HOME > {at}")]});
        bundle.config["process"]["env"] = json!(["PATH=/bin:/usr/bin:/inside", "WHO=container"]);
        bundle.config["hooks"] = json!({
            "createRuntime": [print(Path::new("/bin/sh"), &format!("{place}/outside"))],
            "startContainer": [print(&testkit::rootfs::find("sh").unwrap(), "/inside")],
        });
        bundle.run().ok();
        let inside = fs::read_to_string(bundle.path.join("rootfs/inside")).unwrap();
        assert_eq!(inside, "/bin:/usr/bin:/inside container /\n");
        let own = |name| std::env::var(name).unwrap_or_default();
        let outside = fs::read_to_string(dir().join("outside")).unwrap();
        assert_eq!(outside.trim(), format!("{} {}", own("PATH"), own("HOME")).trim());
    });
}

#[test]
fn a_hook_gets_a_variable_that_has_no_value() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        let script = format!("echo ${{BARE-none}} > {}/bare", place());
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["BARE"]});
        bundle.config["hooks"] = json!({"createRuntime": [hook]});
        bundle.run().ok();
        assert_eq!(fs::read_to_string(dir().join("bare")).unwrap(), "\n");
    });
}

#[test]
fn a_hook_that_takes_longer_than_its_timeout_has_failed() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        bundle.config["hooks"] =
            json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "600"], "timeout": 1}]});
        let start = std::time::Instant::now();
        bundle.create().refused("timed out");
        assert!((1..8).contains(&start.elapsed().as_secs()));
    });
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_next_is_called() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        let fails = json!({"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]});
        bundle.config["hooks"] = json!({"poststop": [fails, hook("next")]});
        let said = bundle.run().ok();
        assert!(said.err.contains("warning: run poststop hook /bin/sh"), "{}", said.err);
        assert_eq!(calls()[0][0], "next");
    });
}

#[test]
fn a_poststart_hook_that_fails_stops_the_container_from_version_1_2_on() {
    needs!(root);
    shielded(|| {
        for (version, goes_on) in [("1.0.2", true), ("1.2.0", false)] {
            let mut bundle = Bundle::new("sleep 600");
            bundle.config["ociVersion"] = json!(version);
            let fails = json!({"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]});
            bundle.config["hooks"] = json!({"poststart": [fails, hook("next")]});
            bundle.create().ok();
            let said = bundle.tell("start");
            assert!(said.err.contains("poststart hook /bin/sh"), "{}", said.err);
            assert_eq!((said.code == 0, bundle.state()["status"] == "running"), (goes_on, goes_on), "{version}");
            bundle.runbox(&["delete", "--force", &bundle.id]).ok();
        }
        assert_eq!(calls().len(), 1, "after a warning the next hook is called, after an error it is not");
    });
}
