//! Attacks from inside a container, made for real: what refuses each of them, and that it works when nothing does.
//!
//! A wall is a layer (`layers/NAME.rs`), or several that hold only together, `a and b`. Each test makes its attack, looks at
//! what came of it, and compares that with the walls that stand. In a plain run all of them do. `cargo author attacks`
//! builds `boxwright` with every layer taken out of its source, and with every layer but one, for each one: so every attack
//! has to work, and every wall has to hold alone.
//!
//! | module | attacks that meet |
//! |---|---|
//! | `calls` | the filter and the capabilities first |
//! | `others` | other processes, other files, what the runtime itself has open |
//! | `ids` | a user namespace as well |
//! | `mounts` | what says where a mount may be made |
//! | `machine` | what no namespace covers: in a machine that may be broken, and there alone |

#![cfg(feature = "reference")]
#![allow(unsafe_code, reason = "raw system calls, and what a process is before its exec")]

mod calls;
mod ids;
mod machine;
mod mounts;
mod others;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::write;
use testkit::{Rootfs, Shield, dir};

/// The layers that are off, with commas between. Set by `cargo author attacks` alone, for this program alone.
const OFF: &str = "BOXWRIGHT_LAYERS_OFF";

fn off() -> Vec<String> {
    let names = env::var(OFF).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Makes an attack on a throw-away host; where layers are off, what it does to it is what it is for.
fn attack(from: Container, make: impl FnOnce(Container)) {
    let shield = Shield::new().cgroup().deadline(Duration::from_secs(30));
    let shield = if off().is_empty() { shield } else { shield.unaudited() };
    let shield = if let Container::Remapped = from { shield.with_ids() } else { shield };
    shield.run(|| make(from));
}

/// What an attack begins from.
#[derive(Debug, Clone, Copy)]
enum Container {
    /// Root's, with the defaults.
    Plain,
    /// Root's, with ids of its own: what an ordinary user's has by default, and cannot be without.
    Remapped,
}

impl Container {
    /// `boxwright run FLAGS -- sh -c SCRIPT` in a small root file system; the flags are split at spaces. What it prints.
    fn run(self, flags: &str, script: &str) -> String {
        jail(&["sh", "cat", "chmod", "mknod"]);
        self.prints(flags, &["sh", "-c", script])
    }

    /// The same with a Perl script: it makes any system call.
    fn perl(self, flags: &str, script: &str) -> String {
        jail(&["perl"]);
        self.prints(flags, &["perl", "-e", script])
    }

    fn prints(self, flags: &str, words: &[&str]) -> String {
        let output = self.command(flags, words).stdin(Stdio::null()).output().expect("start boxwright");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    fn command(self, flags: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["run", "--rootfs"]).arg(jail(&[])).args(flags.split_whitespace());
        if let Container::Remapped = self {
            command.args(["--userns-remap", "learner"]);
        }
        command.arg("--").args(words).env("LC_ALL", "C");
        command
    }

    /// Fails unless the attack has `worked` exactly when none of the walls stands: `caps`, `session and caps`.
    fn judge(self, walls: &[&str], worked: bool, said: &str) {
        let (off, test) = (off(), std::thread::current());
        let name = test.name().unwrap_or("a test");
        let own = matches!(self, Container::Remapped).then_some("ids");
        let walls: Vec<_> = walls.iter().copied().chain(own).collect();
        for layer in walls.iter().flat_map(|wall| wall.split(" and ")) {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/attacks/layers/{layer}.rs"));
            assert!(file.exists(), "{name}: there is no {}", file.display());
        }
        let is_whole = |wall: &str| !wall.split(" and ").any(|layer| off.iter().any(|name| name == layer));
        let standing: Vec<_> = walls.iter().copied().filter(|wall| is_whole(wall)).collect();
        if !off.is_empty() {
            // Past libtest's capture, for the author's table. One write, so that the lines of parallel tests do not mix.
            let what = if worked { "works" } else { "refused" };
            let line =
                format!("\nATTACK {name} ({self:?}) | {} | {} | {what}\n", walls.join(", "), standing.join(", "));
            let _ = write(std::io::stderr(), line.as_bytes());
        }
        let likely =
            if worked { "none of these walls holds" } else { "something else stops it, or the attack is wrong" };
        assert!(
            worked == standing.is_empty(),
            "expected: {name} against {self:?} to meet {standing:?}\n  seen:   it {}; it said {said:?}\n  likely: {likely}\n  \
             read:   book/src/lab11-seccomp.md, Attack it",
            if worked { "works" } else { "does not work" },
        );
    }
}

/// The root file system of the test's containers, with these programs.
fn jail(programs: &[&str]) -> PathBuf {
    let path = dir().join("jail");
    Rootfs::build(&path, programs).expect("a root file system");
    // A place for a volume, so that none has to be made.
    fs::create_dir_all(path.join("volume")).expect("mkdir");
    path
}

/// A file of root's outside of the container, and what is in it.
fn secret() -> (PathBuf, String) {
    let (path, text) = (dir().join("secret"), testkit::random_name("secret"));
    fs::write(&path, &text).expect("a file");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    (path, text)
}

/// Whether `effect` is seen within a moment: what outlives its container may have it later. With layers off it is expected
/// more often than not, so there is more time.
fn soon(mut effect: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + testkit::patience(Duration::from_millis(if off().is_empty() { 100 } else { 500 }));
    loop {
        match effect() {
            true => return true,
            false if Instant::now() > deadline => return false,
            false => sleep(Duration::from_millis(5)),
        }
    }
}
