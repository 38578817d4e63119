//! What runc's command line has and the specification does not: exec, ps, update, events, pause, and terminals.

#![allow(unsafe_code, reason = "a descriptor that came with a message is nobody's yet")]

use std::fs;
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use serde_json::{Value, json};
use testkit::{Shield, dir, needs, shielded};

use crate::bundle::{Bundle, runbox};

/// One that runs until it is told not to.
pub fn sleeper() -> Bundle {
    let bundle = Bundle::new("exec sleep 600");
    bundle.create().ok();
    bundle.tell("start").ok();
    bundle
}

pub fn end(bundle: &Bundle) {
    bundle.runbox(&["delete", "--force", &bundle.id]).ok();
}

#[test]
fn exec_runs_a_command_among_the_containers_processes() {
    needs!(root);
    shielded(|| {
        let bundle = sleeper();
        let said =
            bundle.runbox(&["exec", "--env", "A=b", "--cwd", "/proc", &bundle.id, "sh", "-c", "echo $A $PWD; exit 5"]);
        assert_eq!((said.code, &said.out[..], &said.err[..]), (5, "b /proc\n", ""));
        let said = bundle
            .runbox(&["exec", &bundle.id, "readlink", "/proc/self/ns/pid", "/proc/self/ns/mnt", "/proc/1/ns/uts"])
            .ok();
        let pid = bundle.state()["pid"].clone();
        let theirs = ["pid", "mnt", "uts"].map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap());
        let theirs: String = theirs.iter().map(|link| format!("{}\n", link.display())).collect();
        assert_eq!(said.out, theirs);
        bundle.runbox(&["exec", &bundle.id, "/not/there"]).refused("execve /not/there: ENOENT");
        end(&bundle);
    });
}

#[test]
fn exec_takes_a_process_of_the_configuration_and_leaves_it_running() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        let bundle = sleeper();
        let (file, pid_file) = (dir().join("process.json"), dir().join("pid"));
        let process = json!({
            "args": ["sleep", "600"],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": {},
        });
        fs::write(&file, process.to_string()).unwrap();
        let (file, pid_path) = (file.to_str().unwrap(), pid_file.to_str().unwrap());
        bundle.runbox(&["exec", "--pid-file", pid_path, "--process", file, "--detach", &bundle.id]).ok();
        let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        let pids: Vec<i32> =
            serde_json::from_str(&bundle.runbox(&["ps", "--format", "json", &bundle.id]).ok().out).unwrap();
        assert!(pids.contains(&pid) && pids.len() == 2, "{pid} in {pids:?}");
        assert!(bundle.tell("ps").ok().out.lines().count() == 3);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        end(&bundle);
    });
}

#[test]
fn exec_in_a_container_that_does_not_run_is_an_error() {
    needs!(root);
    shielded(|| {
        let bundle = sleeper();
        bundle.runbox(&["kill", &bundle.id, "KILL"]).ok();
        bundle.wait_for("stopped");
        bundle.runbox(&["exec", &bundle.id, "true"]).refused("stopped container");
        end(&bundle);
    });
}

#[test]
fn a_container_that_is_paused_goes_on_when_it_is_resumed() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        let bundle = sleeper();
        bundle.tell("resume").refused("not paused");
        bundle.tell("pause").ok();
        assert_eq!(bundle.state()["status"], "paused");
        bundle.runbox(&["exec", &bundle.id, "true"]).refused("paused");
        bundle.tell("pause").refused("it is paused");
        bundle.tell("resume").ok();
        assert_eq!(bundle.state()["status"], "running");
        bundle.tell("pause").ok();
        // Though a frozen process notices nothing.
        end(&bundle);
        bundle.tell("state").refused("does not exist");
    });
}

#[test]
fn update_changes_what_it_names_and_events_tell() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        let bundle = sleeper();
        bundle.runbox(&["update", "--pids-limit", "50", "--memory", "104857600", &bundle.id]).ok();
        let stats = || -> Value {
            let told: Value =
                serde_json::from_str(&bundle.runbox(&["events", "--stats", &bundle.id]).ok().out).unwrap();
            assert_eq!((&told["type"], &told["id"]), (&json!("stats"), &json!(bundle.id)));
            told["data"].clone()
        };
        let before = stats();
        assert_eq!((&before["pids"]["limit"], &before["memory"]["usage"]["limit"]), (&json!(50), &json!(104_857_600)));
        assert!(before["cpu"]["usage"]["total"].as_u64() > Some(0), "{before}");
        let file = dir().join("resources.json");
        fs::write(&file, r#"{"pids": {"limit": 20}}"#).unwrap();
        bundle.runbox(&["update", "--resources", file.to_str().unwrap(), &bundle.id]).ok();
        let after = stats();
        assert_eq!((&after["pids"]["limit"], &after["memory"]["usage"]["limit"]), (&json!(20), &json!(104_857_600)));
        end(&bundle);
    });
}

/// Waits for what comes to a console socket, and reads all that is written to the terminal.
pub fn look_into(socket: &UnixListener) -> String {
    let (line, _) = socket.accept().unwrap();
    let (mut name, mut space) = ([0; 256], nix::cmsg_space!([i32; 1]));
    let mut buffers = [IoSliceMut::new(&mut name)];
    let message = recvmsg::<()>(line.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::empty()).unwrap();
    let Some(ControlMessageOwned::ScmRights(fds)) = message.cmsgs().unwrap().next() else { panic!("no descriptor") };
    assert!(fds.len() == 1 && message.bytes > 0);
    // SAFETY: it came with the message, and nobody else knows of it.
    let mut master = fs::File::from(unsafe { OwnedFd::from_raw_fd(fds[0]) });
    let mut seen = Vec::new();
    // EIO, when nobody has the other end any more.
    let _ = master.read_to_end(&mut seen);
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn the_console_socket_gets_the_terminal_of_the_process() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("test -t 0 && test -t 1 && test -t 2 && echo a terminal");
        bundle.config["process"]["terminal"] = json!(true);
        let path = dir().join("console");
        let socket = UnixListener::bind(&path).unwrap();
        let (place, console) = (bundle.path.to_str().unwrap(), path.to_str().unwrap());
        bundle.create().refused("--console-socket");
        bundle.runbox(&["create", "--bundle", place, "--console-socket", console, &bundle.id]).ok();
        bundle.tell("start").ok();
        assert_eq!(look_into(&socket), "a terminal\r\n");
        bundle.wait_for("stopped");
        bundle.tell("delete").ok();

        let bundle = sleeper();
        let script = "test -t 0 && test -t 1 && test -t 2 && echo one more";
        bundle.runbox(&["exec", "--tty", "--detach", "--console-socket", console, &bundle.id, "sh", "-c", script]).ok();
        assert_eq!(look_into(&socket), "one more\r\n");
        bundle.runbox(&["exec", "--console-socket", console, &bundle.id, "true"]).refused("--console-socket");
        end(&bundle);
    });
}

#[test]
fn a_terminal_of_exec_is_the_containers_own_and_has_a_name_there() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("exec sleep 600");
        let pts = json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]});
        bundle.config["mounts"].as_array_mut().unwrap().push(pts);
        bundle.create().ok();
        bundle.tell("start").ok();
        let path = dir().join("console");
        let socket = UnixListener::bind(&path).unwrap();
        let console = path.to_str().unwrap();
        let script = "readlink /proc/self/fd/0 /proc/self/fd/1; echo /dev/pts/*; test -e $(readlink /proc/self/fd/2) && echo there";
        let exec = |bundle: &Bundle| {
            bundle
                .runbox(&["exec", "--tty", "--detach", "--console-socket", console, &bundle.id, "sh", "-c", script])
                .ok();
            look_into(&socket)
        };
        assert_eq!(exec(&bundle), "/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0 /dev/pts/ptmx\r\nthere\r\n");
        // And through a window of the caller's own.
        let said = bundle.runbox(&["exec", "--tty", &bundle.id, "sh", "-c", script]).ok();
        assert_eq!(said.out, "/dev/pts/0\n/dev/pts/0\n/dev/pts/0 /dev/pts/ptmx\nthere\n");
        end(&bundle);
        // Of the first process, too: what returns the cursor is the caller's terminal.
        let mut bundle = Bundle::new("test -t 0 && echo a terminal");
        bundle.config["process"]["terminal"] = json!(true);
        assert_eq!(bundle.run().ok().out, "a terminal\n");

        // Whoever is in the container has put something else there: it is not opened for a terminal.
        let bundle = sleeper();
        let pts = bundle.path.join("rootfs/dev/pts");
        fs::create_dir_all(&pts).unwrap();
        std::os::unix::fs::symlink("/proc/self/status", pts.join("ptmx")).unwrap();
        assert!(exec(&bundle).contains("ptmx"));
        fs::remove_file(pts.join("ptmx")).unwrap();
        nix::unistd::mkfifo(&pts.join("ptmx"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        assert!(exec(&bundle).contains("ptmx"));
        end(&bundle);
    });
}

#[test]
fn checkpoint_and_restore_are_refused_with_a_reason() {
    needs!(root);
    shielded(|| {
        runbox(&["checkpoint", "--image-path", "/x", "c"]).refused("CRIU");
        runbox(&["restore", "c"]).refused("CRIU");
    });
}

#[test]
fn the_version_and_the_features_are_told() {
    needs!(root);
    shielded(|| {
        let said = runbox(&["--version"]).ok();
        assert!(said.out.starts_with("runbox version ") && said.out.contains("spec: 1.2.0"), "{}", said.out);
        let features: Value = serde_json::from_str(&runbox(&["features"]).ok().out).unwrap();
        assert_eq!(features["ociVersionMin"], "1.0.0");
        assert!(features["hooks"].as_array().unwrap().contains(&json!("startContainer")));
    });
}
