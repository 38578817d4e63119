//! A bundle, and runbox for what is made of it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Rootfs, dir, patience, random_name};

/// A bundle in the test's own directory.
pub struct Bundle {
    pub path: PathBuf,
    pub config: Value,
    /// A name that nobody else has.
    pub id: String,
}

/// How a runbox ended, and what it said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Bundle {
    /// One whose command is a shell with `script`.
    pub fn new(script: &str) -> Bundle {
        let path = dir().join(random_name("bundle"));
        fs::create_dir(&path).unwrap();
        Rootfs::build(path.join("rootfs"), &["sh", "cat", "sleep", "ls", "id", "readlink", "true"]).unwrap();
        let all = json!(["CAP_KILL", "CAP_CHOWN"]);
        let namespaces = ["pid", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({"type": kind}));
        let config = json!({
            "ociVersion": "1.2.0",
            "process": {
                "args": ["sh", "-c", script],
                "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"],
                "cwd": "/",
                "user": {"uid": 0, "gid": 0},
                "capabilities": {"bounding": all, "effective": all, "permitted": all},
                "noNewPrivileges": true,
            },
            "root": {"path": "rootfs"},
            "hostname": "inside",
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": namespaces},
        });
        Bundle { path, config, id: random_name("c") }
    }

    /// `runbox ARGS`, with this bundle's configuration as it is by now. Whoever it leaves behind writes to the same files.
    pub fn runbox(&self, args: &[&str]) -> Said {
        fs::write(self.path.join("config.json"), self.config.to_string()).unwrap();
        runbox(args)
    }

    /// `create`, without anything else.
    pub fn create(&self) -> Said {
        self.runbox(&["create", "--bundle", self.path.to_str().unwrap(), &self.id])
    }

    /// `run`, without anything else.
    pub fn run(&self) -> Said {
        self.runbox(&["run", "--bundle", self.path.to_str().unwrap(), &self.id])
    }

    /// A command that takes the name and nothing else.
    pub fn tell(&self, command: &str) -> Said {
        self.runbox(&[command, &self.id])
    }

    /// `state`.
    pub fn state(&self) -> Value {
        let said = self.tell("state");
        assert_eq!(said.code, 0, "state: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// Waits until `state` tells this status.
    pub fn wait_for(&self, status: &str) {
        let start = Instant::now();
        while self.state()["status"] != status {
            assert!(start.elapsed() < patience(Duration::from_secs(5)), "{} is not {status} yet", self.state());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// `runbox ARGS`, with its state in the test's own directory.
pub fn runbox(args: &[&str]) -> Said {
    runbox_by(env!("CARGO_BIN_EXE_runbox"), args)
}

/// As [`runbox`], by a copy of it.
pub fn runbox_by(program: &str, args: &[&str]) -> Said {
    let (out, err) = (dir().join(random_name("out")), dir().join(random_name("err")));
    // Files, not pipes: nobody waits for what a container that goes on has open.
    let status = Command::new(program)
        .arg("--root")
        .arg(dir().join("state"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .status()
        .unwrap();
    // Gone from the directory: whoever a container has left behind can still write.
    let text = |path: &PathBuf| fs::read_to_string(path).inspect(|_| fs::remove_file(path).unwrap()).unwrap();
    Said { code: status.code().unwrap_or(-1), out: text(&out), err: text(&err) }
}

impl Said {
    /// Fails unless it went well.
    #[track_caller]
    pub fn ok(self) -> Said {
        assert_eq!(self.code, 0, "it said: {}{}", self.out, self.err);
        self
    }

    /// Fails unless it was refused with these words.
    #[track_caller]
    pub fn refused(self, words: &str) -> Said {
        assert!(self.code != 0 && self.err.contains(words), "expected {words:?} in {:?}{:?}", self.out, self.err);
        self
    }
}
