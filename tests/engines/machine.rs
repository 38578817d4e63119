//! An engine that has a directory of its own for all that it keeps.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use testkit::needs::program;
use testkit::{Rootfs, patience};

/// One of them, and its daemons, if it has any; the last is ended first.
pub struct Machine {
    directory: TempDir,
    /// How to get to where the client is, if it is elsewhere.
    entrance: Vec<String>,
    client: Vec<String>,
    daemons: Vec<Child>,
    groups_before: Vec<PathBuf>,
}

/// The runtime that the engines call: one that was named, or else our own.
fn runtime() -> String {
    let own = || option_env!("CARGO_BIN_EXE_runbox").map(str::to_owned);
    std::env::var("BOXWRIGHT_RUNTIME").ok().or_else(own).expect("BOXWRIGHT_RUNTIME, or the feature `runbox`")
}

/// How a command ended, and what it said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

const NETAVARK: &str = "/usr/lib/podman/netavark";
const IMAGE: &str = "localhost/image:latest";

impl Machine {
    fn new() -> Machine {
        let directory = tempfile::tempdir().unwrap();
        let mut programs = vec!["sh", "cat", "id", "ls", "readlink", "sleep", "true"];
        // Whoever needs it says so.
        programs.extend(program("busybox").then_some("busybox"));
        Rootfs::build(directory.path().join("rootfs"), &programs).unwrap();
        Machine { directory, entrance: Vec::new(), client: Vec::new(), daemons: Vec::new(), groups_before: groups() }
    }

    /// podman, which has no daemon. It is root's, or a user's.
    pub fn podman() -> Machine {
        let mut machine = Machine::new();
        // More than these a machine without CAP_SYS_RESOURCE cannot give.
        let limits = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";
        // Locks in shared memory would outlast it.
        let others = format!("[engine]\nlock_type = \"file\"\ninfra_image = {IMAGE:?}\n");
        // With another one podman wants plugins, and without this program nothing at all.
        let network = if program(NETAVARK) { "[network]\nnetwork_backend = \"netavark\"\n" } else { "" };
        fs::write(machine.path("containers.conf"), limits.to_owned() + network + &others).unwrap();
        let runbox = runtime();
        let (root, run, tmp) = (machine.path("root"), machine.path("run"), machine.path("tmp"));
        let client = ["podman", "--root", &root, "--runroot", &run, "--tmpdir", &tmp, "--cgroup-manager", "cgroupfs"];
        let client =
            client.into_iter().chain(["--events-backend", "file", "--storage-driver", "vfs", "--runtime", &runbox]);
        machine.client = client.map(str::to_owned).collect();
        machine
    }

    /// podman in a network of its own, and a firewall of its own: what it makes there ends with them.
    pub fn podman_in_a_network() -> Machine {
        let mut machine = Machine::podman();
        // Below /run, podman, netavark and iptables meet with those of all networks.
        let script = "ip link set lo up && mount -t tmpfs none /run && exec sleep 600";
        let mut network = Command::new("unshare");
        network.args(["--net", "--mount", "--propagation", "private", "sh", "-c", script]);
        machine.start(network);
        let pid = machine.daemons[0].id();
        until("it is there", || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n"));
        machine.entrance = ["nsenter", "--target", &pid.to_string(), "--net", "--mount"].map(str::to_owned).into();
        machine
    }

    /// containerd, and ctr as its client.
    pub fn containerd() -> Machine {
        let mut machine = Machine::new();
        let socket = machine.start_containerd();
        machine.client = ["ctr", "--address", &socket].map(str::to_owned).into();
        machine
    }

    /// dockerd on a containerd, and docker as its client.
    pub fn docker() -> Machine {
        let mut machine = Machine::new();
        let containerd = machine.start_containerd();
        let [host, data, exec, pid] = ["docker.sock", "data", "exec", "docker.pid"].map(|name| machine.path(name));
        let host = format!("unix://{host}");
        let mut dockerd = Command::new("unshare");
        dockerd.args(["--mount", "--propagation", "private", "dockerd", "--containerd", &containerd, "--host", &host]);
        dockerd.args(["--data-root", &data, "--exec-root", &exec, "--pidfile", &pid, "--storage-driver", "vfs"]);
        dockerd.args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--default-runtime", "runbox"]);
        dockerd.arg("--add-runtime").arg(format!("runbox={}", runtime()));
        machine.start(dockerd);
        machine.client = ["docker", "--host", &host].map(str::to_owned).into();
        until("dockerd answers", || machine.tell(&["version"]).code == 0);
        machine
    }

    fn start_containerd(&mut self) -> String {
        let [config, root, state] = ["config.toml", "ctd", "ctd-state"].map(|name| self.path(name));
        let [socket, ttrpc] = ["ctd.sock", "ctd-ttrpc.sock"].map(|name| self.path(name));
        let text = format!(
            "version = 2\nroot = {root:?}\nstate = {state:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n[ttrpc]\naddress = {ttrpc:?}\n"
        );
        fs::write(&config, text).unwrap();
        let mut containerd = Command::new("unshare");
        containerd.args(["--mount", "--propagation", "private", "containerd", "--config", &config]);
        self.start(containerd);
        until("containerd answers", || Path::new(&socket).exists());
        socket
    }

    /// Starts a daemon: `unshare` becomes it, so that its PID is known.
    fn start(&mut self, mut daemon: Command) {
        let log = File::create(self.path(&format!("log-{}", self.daemons.len()))).unwrap();
        daemon.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push(daemon.spawn().unwrap());
    }

    /// The path of something of its own.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// Where all of it is.
    pub fn directory(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    /// A root file system with a few programs of this machine.
    pub fn rootfs(&self) -> &'static str {
        self.path("rootfs").leak()
    }

    /// The runtime.
    pub fn runbox(&self) -> &'static str {
        runtime().leak()
    }

    /// An image with that root file system: its name. Who says nothing else has it wait.
    pub fn image(&self) -> &'static str {
        let archive = self.path("image.tar");
        let owner = ["--owner", "0", "--group", "0"];
        let made = Command::new("tar").args(owner).args(["-C", self.rootfs(), "-cf", &archive, "."]).status().unwrap();
        assert!(made.success());
        self.tell(&["import", "--change", r#"CMD ["sleep", "600"]"#, &archive, IMAGE]).ok();
        IMAGE
    }

    /// The client with these arguments.
    pub fn tell(&self, args: &[&str]) -> Said {
        self.beside(&self.client.iter().map(String::as_str).chain(args.iter().copied()).collect::<Vec<_>>())
    }

    /// Another command, where the client is.
    pub fn beside(&self, command: &[&str]) -> Said {
        let words: Vec<&str> = self.entrance.iter().map(String::as_str).chain(command.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.wait(command)
    }

    /// `run --rm FLAGS --rootfs … sh -c SCRIPT`, for podman.
    pub fn run(&self, flags: &[&str], script: &str) -> Said {
        self.tell(&[&["run", "--rm"], flags, &["--rootfs", self.rootfs(), "sh", "-c", script]].concat())
    }

    /// As [`Machine::tell`], on a terminal of its own, where what it asks is answered.
    pub fn on_a_terminal(&self, args: &[&str], question: &str, answer: &str) -> Said {
        let quoted = |word: &str| format!("'{word}'");
        let words = self.client.iter().map(String::as_str).chain(args.iter().copied()).map(quoted);
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &words.collect::<Vec<_>>().join(" "), "/dev/null"]);
        let mut script = self.start_client(command.stdin(Stdio::piped()));
        let mut keyboard = script.stdin.take().unwrap();
        until("it asks", || self.text("out").contains(question));
        keyboard.write_all(answer.as_bytes()).unwrap();
        // Only then nobody types any more.
        let said = self.said(script);
        drop(keyboard);
        said
    }

    /// Whether no group is left but those that were there before.
    fn remove_groups(&self) -> bool {
        let more = groups().into_iter().filter(|group| !self.groups_before.contains(group));
        // All of them, whatever becomes of the first.
        more.filter(|group| fs::remove_dir(group).is_err()).count() == 0
    }

    /// Whether nobody is left who was told of the directory. When a container has ended, its monitor calls podman once more, which
    /// would make the directory again.
    fn is_alone(&self) -> bool {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        lines.all(|line| !String::from_utf8_lossy(&line).contains(&self.path("")))
    }

    fn wait(&self, mut command: Command) -> Said {
        self.said(self.start_client(command.stdin(Stdio::null())))
    }

    fn start_client(&self, command: &mut Command) -> Child {
        // Files, not pipes: nobody waits for what a container that goes on has open.
        let [out, err] = ["out", "err"].map(|name| File::create(self.path(name)).unwrap());
        command.stdout(out).stderr(err).env("CONTAINERS_CONF", self.path("containers.conf"));
        // Where a user's podman keeps what root's keeps in /run.
        command.env("HOME", self.directory()).env("XDG_RUNTIME_DIR", self.directory());
        command.spawn().unwrap()
    }

    fn said(&self, mut client: Child) -> Said {
        let status = client.wait().unwrap();
        Said { code: status.code().unwrap_or(-1), out: self.text("out"), err: self.text("err") }
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap()).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Then nobody has ended what the test started.
        if panicking() && self.client[0] == "podman" {
            self.tell(&["pod", "rm", "--all", "--force", "--time", "0"]);
            self.tell(&["rm", "--all", "--force", "--time", "0"]);
        }
        // A user's podman leaves a process, which holds the namespaces for the next.
        let holder = fs::read_to_string(self.path("tmp/pause.pid")).ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(holder) = holder {
            let _ = kill(Pid::from_raw(holder), Signal::SIGKILL);
            until("it has ended", || has_ended(holder));
        }
        for daemon in self.daemons.iter_mut().rev() {
            let _ = kill(Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM);
            let _ = daemon.wait();
        }
        // podman's monitors end a moment after what they watch: until then, their group is busy.
        let start = Instant::now();
        while !(self.remove_groups() && self.is_alone()) && start.elapsed() < patience(Duration::from_secs(5)) {
            sleep(Duration::from_millis(20));
        }
    }
}

/// The control groups that engines put all their containers below, and never remove; those below before those above.
fn groups() -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let trees = directories(&root).into_iter().chain([root]);
    let parents = trees.flat_map(|tree| ["default", "docker", "libpod_parent"].map(|name| tree.join(name)));
    parents.filter(|parent| parent.is_dir()).flat_map(|parent| [directories(&parent), vec![parent]].concat()).collect()
}

/// Those in a directory, no links.
fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
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

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < patience(Duration::from_secs(20)), "not yet: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Whether a process is gone, or a zombie.
pub fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}
