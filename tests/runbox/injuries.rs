//! Every system call of a start, made to fail, and made the last of its process: what is told, and what is left.
//!
//! `BOXWRIGHT_INJURIES` is how many points each test takes at random; without it, 20, or as many as fit into some seconds; `all` takes all
//! of them, one after another, and `PROCESS:CALL` the one that a failure has told.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde_json::{Value, json};
use testkit::injury::{Injury, Operated, Point, operate};
use testkit::{Random, Shield, cgroup_dirs, dir, needs, patience, random_name};

use crate::bundle::{Bundle, runbox};

/// A plain run takes no longer.
const TIME: Duration = Duration::from_secs(4);

/// Those that cannot fail: Linux closes and unmaps in any case, brk returns an address, a mask of signals can be any, a process has a
/// number, and an end is an end. Source: close(2) and brk(2), "NOTES"; sigprocmask(2); getpid(2), "ERRORS".
const CANNOT_FAIL: [libc::c_long; 11] = [
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_getrandom,
    libc::SYS_brk,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_rt_sigprocmask,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
];

/// What access(3) calls: younger processors' tables have not the old one.
#[cfg(target_arch = "x86_64")]
const ACCESS: libc::c_long = libc::SYS_access;
#[cfg(not(target_arch = "x86_64"))]
const ACCESS: libc::c_long = libc::SYS_faccessat;

/// Calls outside of the container that may fail without a word, and why. Of its own process no look may be passed over.
const LOOKS: [(libc::c_long, &str); 7] = [
    (ACCESS, "whether a hierarchy can be written: one that cannot is not used, and a limit that needs it is refused"),
    (libc::SYS_faccessat2, "whether a group has cgroup.kill: without it, its processes are killed one by one"),
    (libc::SYS_flock, "whether the container waits at its door: a lock that cannot be had is one that is held"),
    (libc::SYS_lseek, "how long a text is that is read to its end"),
    (libc::SYS_newfstatat, "whether the container is paused: it is not, then"),
    (
        libc::SYS_openat,
        "the same; who is in a group: then it cannot be removed; the hooks of a container that is removed",
    ),
    (libc::SYS_read, "the same; and for the end of a helper that has done its work"),
];

/// The same everywhere: the standard library's and the C library's looks at what they have, and what has another way.
const ANYWHERE: [(libc::c_long, &str); 7] = [
    (libc::SYS_clone3, "who cannot be born in its group moves there"),
    (libc::SYS_fcntl, "whether a descriptor is open that is closed next, in a program with debug assertions"),
    (libc::SYS_mknodat, "a device without the right to make one is the host's, by a bind mount"),
    (libc::SYS_prlimit64, "how many descriptors there may be, before a hook is started"),
    (libc::SYS_rt_sigaction, "every signal's default action, also of those that have no other"),
    (libc::SYS_set_robust_list, "after a fork: nobody here shares a lock with another process"),
    (libc::SYS_statx, "how long a file is that is read to its end; whether a name is taken that is made next"),
];

/// Whether a start may go on when this call fails.
fn may_be_passed_over(made: &Point, inside: Option<usize>) -> bool {
    let looks = LOOKS.iter().filter(|_| Some(made.process) != inside).chain(&ANYWHERE);
    looks.into_iter().any(|(call, _)| *call == made.number)
}

/// What may be left of a container.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    groups: BTreeSet<String>,
    states: BTreeSet<String>,
    mounts: BTreeSet<String>,
    processes: BTreeSet<String>,
}

impl Machine {
    fn look() -> Machine {
        let names = |path: &std::path::Path| -> BTreeSet<String> {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let groups = cgroup_dirs().into_iter().flat_map(|group| {
            let below = fs::read_dir(&group).into_iter().flatten().flatten();
            let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            below.map(|entry| entry.path().display().to_string()).collect::<Vec<_>>()
        });
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        Machine {
            groups: groups.collect(),
            // Its locks stay.
            states: names(&dir().join("state")).into_iter().filter(|name| !name.starts_with('.')).collect(),
            mounts: mounts.lines().map(str::to_owned).collect(),
            processes: names("/proc".as_ref()).into_iter().filter(|name| name.parse::<u32>().is_ok()).collect(),
        }
    }
}

/// A container that takes most of the steps that there are.
fn bundle() -> Bundle {
    let mut bundle = Bundle::new("");
    let nothing = json!({"path": "/bin/true"});
    let program = testkit::rootfs::find("true").unwrap();
    bundle.config["process"]["args"] = json!([testkit::rootfs::find("sh").unwrap(), "-c", "echo done > /mark"]);
    bundle.config["process"]["oomScoreAdj"] = json!(500);
    bundle.config["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
    let mounts: Value = json!([
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
        {"destination": "/volume", "type": "bind", "source": bundle.path, "options": ["rbind", "ro", "nosuid"]},
    ]);
    bundle.config["mounts"] = mounts;
    bundle.config["hooks"] = json!({
        "createRuntime": [nothing],
        "startContainer": [{"path": program}],
        "poststop": [nothing],
    });
    let linux = &mut bundle.config["linux"];
    linux["namespaces"].as_array_mut().unwrap().push(json!({"type": "network"}));
    linux["sysctl"] = json!({"kernel.shm_rmid_forced": "1"});
    linux["resources"] = json!({"pids": {"limit": 50}});
    linux["maskedPaths"] = json!(["/proc/kcore", "/proc/keys"]);
    linux["readonlyPaths"] = json!(["/proc/sys"]);
    linux["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}],
    });
    bundle
}

/// The same for root of a user namespace, whose volumes others open.
fn remapped() -> Bundle {
    let mut bundle = bundle();
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    let linux = &mut bundle.config["linux"];
    linux["uidMappings"] = maps.clone();
    linux["gidMappings"] = maps;
    linux["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    bundle
}

/// How an operation ended.
struct Outcome {
    /// None when it is killed.
    code: Option<i32>,
    err: String,
    operated: Operated,
}

/// `runbox run`, with an injury at a point.
fn run(bundle: &Bundle, point: Option<(usize, usize)>, injury: Injury) -> Result<Outcome, String> {
    fs::write(bundle.path.join("config.json"), bundle.config.to_string()).unwrap();
    let err = dir().join(random_name("err"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbox"));
    command
        .env("RUST_BACKTRACE", "0")
        .arg("--root")
        .arg(dir().join("state"))
        .args(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&bundle.id);
    let log = File::create(&err).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut operated = operate(command, point, injury).map_err(|error| format!("it does not start: {error}"))?;
    let deadline = Instant::now() + patience(Duration::from_secs(15));
    let status = loop {
        match operated.child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = operated.child.kill();
                let _ = operated.child.wait();
                return Err("it hangs".into());
            }
            None => sleep(Duration::from_millis(1)),
        }
    };
    let said = fs::read_to_string(&err).unwrap_or_default();
    fs::remove_file(err).unwrap();
    Ok(Outcome { code: status.code(), err: said, operated })
}

/// What came of an injury.
enum Judged {
    /// That call was not made this time.
    Missed,
    Right,
    Wrong(String),
}

/// A bundle, and what is in its root file system before it is used.
struct Patient {
    bundle: Bundle,
    files: BTreeSet<PathBuf>,
}

impl Patient {
    fn new(bundle: Bundle) -> Patient {
        let files = files(&bundle.path.join("rootfs"));
        Patient { bundle, files }
    }

    /// Without the mount points of an earlier start: the same calls are to be made.
    fn as_before(&self) {
        // What is in a directory comes after it.
        for path in files(&self.bundle.path.join("rootfs")).iter().rev().filter(|path| !self.files.contains(*path)) {
            let removed = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
            removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_symlink() && path.is_dir() {
            all.append(&mut files(&path));
        }
        all.insert(path);
    }
    all
}

fn judge(patient: &Patient, before: &Machine, point: &Point, injury: Injury, is_own: bool) -> Judged {
    patient.as_before();
    let bundle = &patient.bundle;
    let outcome = match run(bundle, Some((point.process, point.index)), injury) {
        Ok(outcome) => outcome,
        Err(why) => {
            let _ = runbox(&["delete", "--force", &bundle.id]);
            return Judged::Wrong(why);
        }
    };
    // Not always the same as without an injury.
    let points = outcome.operated.points();
    let made = points.iter().find(|it| (it.process, it.index) == (point.process, point.index));
    let Some(made) = made else { return Judged::Missed };
    let inside = points.iter().find(|it| it.number == libc::SYS_pivot_root).map(|it| it.process);
    let wrong = wrong(&outcome, (made, inside), injury, is_own, bundle.path.join("rootfs/mark").exists());
    let wrong = wrong.map(|what| format!("{what}: call {}, {:?} {:?}", made.number, outcome.code, outcome.err));
    let deleted = runbox(&["delete", "--force", &bundle.id]);
    let gone = runbox(&["state", &bundle.id]);
    drop(outcome.operated);
    if deleted.code != 0 || !gone.err.contains("does not exist") {
        return Judged::Wrong(format!("delete --force says {:?}, state {:?} {:?}", deleted.err, gone.out, gone.err));
    }
    let start = Instant::now();
    loop {
        let after = Machine::look();
        match () {
            () if after == *before => return wrong.map_or(Judged::Right, Judged::Wrong),
            // An orphan's end is its reaper's work.
            () if start.elapsed() > patience(Duration::from_secs(2)) => {
                return Judged::Wrong(left(before, &after));
            }
            () => sleep(Duration::from_millis(2)),
        }
    }
}

/// What is wrong with the end of a run.
fn wrong(
    outcome: &Outcome,
    (made, inside): (&Point, Option<usize>),
    injury: Injury,
    is_own: bool,
    has_run: bool,
) -> Option<&'static str> {
    let said = &outcome.err;
    match (outcome.code, injury) {
        (Some(0), _) if !has_run => Some("exit code 0, and the command was not run"),
        // As if the command had been killed.
        (Some(137), Injury::Kills) => None,
        (None, Injury::Kills) => None,
        (_, Injury::Fails(_)) if !is_own || CANNOT_FAIL.contains(&made.number) => None,
        (Some(0), Injury::Fails(_)) if said.is_empty() && !may_be_passed_over(made, inside) => {
            Some("it is passed over")
        }
        (Some(1..), _) if is_own && said.trim().is_empty() => Some("it fails without a word"),
        (None, _) if said.trim().is_empty() => Some("it ends by a signal, without a word"),
        _ if is_own && said.contains("panicked") => Some("it panics"),
        _ if is_own && said.lines().any(|line| !line.starts_with("runbox: ")) => Some("it says something else"),
        _ => None,
    }
}

fn left(before: &Machine, after: &Machine) -> String {
    let more = |before: &BTreeSet<String>, after: &BTreeSet<String>| -> Vec<String> {
        after.symmetric_difference(before).cloned().collect()
    };
    let processes = more(&before.processes, &after.processes);
    let named = |pid: &String| {
        let word = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default().replace('\0', " ");
        format!("{pid} {} {}", word("comm").trim(), word("wchan"))
    };
    format!(
        "something is left: groups {:?}, states {:?}, mounts {:?}, processes {:?}",
        more(&before.groups, &after.groups),
        more(&before.states, &after.states),
        more(&before.mounts, &after.mounts),
        processes.iter().map(named).collect::<Vec<_>>(),
    )
}

/// Calls before main, which are the loader's and the C library's: what these say is not ours. That SIGPIPE is ignored is the first
/// thing that runbox does about signals.
fn before_main(points: &[Point]) -> usize {
    let mut own = points.iter().filter(|point| point.process == 0);
    own.find(|point| point.number == libc::SYS_rt_sigaction).map_or(0, |point| point.index)
}

fn try_points(make: fn() -> Bundle, injuries: &[Injury]) {
    let asked = env::var("BOXWRIGHT_INJURIES").unwrap_or_default();
    let deadline = Duration::from_secs(if asked.is_empty() { 60 } else { 3000 });
    Shield::new().cgroup().deadline(deadline).run(|| {
        let patient = Patient::new(make());
        let bundle = &patient.bundle;
        runbox(&["list"]).ok();
        let before = Machine::look();
        let whole = run(bundle, None, Injury::Kills).unwrap();
        assert_eq!((whole.code, &whole.err[..]), (Some(0), ""));
        let points = whole.operated.points();
        drop(whole);
        assert_eq!(before, Machine::look(), "without an injury");
        let main = before_main(&points);
        let mut all = Vec::new();
        for injury in injuries {
            let can = |point: &&Point| *injury == Injury::Kills || !CANNOT_FAIL.contains(&point.number);
            all.extend(points.iter().filter(can).map(|point| (*point, *injury)));
        }
        let mut random = Random::new();
        let taken: Vec<_> = match (&asked[..], asked.split_once(':')) {
            ("all", _) => all,
            (_, Some((process, index))) => {
                let number = |text: &str| text.parse::<usize>().expect("BOXWRIGHT_INJURIES: two numbers");
                all.retain(|(point, _)| (point.process, point.index) == (number(process), number(index)));
                all
            }
            (count, _) => {
                let count = if count.is_empty() { 20 } else { count.parse().expect("BOXWRIGHT_INJURIES: a number") };
                (0..count).map(|_| *random.of(&all)).collect()
            }
        };
        let (mut wrong, mut missed, mut tried, begun) = (Vec::new(), 0, 0, Instant::now());
        for (point, injury) in &taken {
            if begun.elapsed() > TIME && asked.is_empty() {
                break;
            }
            tried += 1;
            let is_own = point.process != 0 || point.index > main;
            match judge(&patient, &Machine::look(), point, *injury, is_own) {
                Judged::Right => {}
                Judged::Missed => missed += 1,
                Judged::Wrong(what) => {
                    let _ = writeln!(io::stderr(), "{point:?} {injury:?}: {what}");
                    wrong.push(format!("{point:?} {injury:?}: {what}\n"));
                    // The next one begins anew.
                    let _ = fs::remove_dir_all(dir().join("state").join(&bundle.id));
                }
            }
        }
        let _ = writeln!(io::stderr(), "{tried} injuries to {} calls, {missed} of them missed", points.len());
        assert!(missed < tried, "none of the calls was made again");
        assert!(
            wrong.is_empty(),
            "{} of {} points, of {} calls:\n{}",
            wrong.len(),
            tried,
            points.len(),
            wrong.concat()
        );
    });
}

#[test]
fn a_call_that_fails_is_told_and_leaves_nothing() {
    needs!(root, cgroup = pids);
    try_points(bundle, &[Injury::Fails(Errno::ENOMEM), Injury::Fails(Errno::EPERM)]);
}

#[test]
fn a_call_that_fails_beside_a_user_namespace_is_told_and_leaves_nothing() {
    // For the owners of a root file system on a tmpfs.
    needs!(root, kernel = 6.3, cgroup = pids);
    try_points(remapped, &[Injury::Fails(Errno::ENOMEM)]);
}

#[test]
fn a_kill_at_any_call_leaves_what_delete_removes() {
    needs!(root, cgroup = pids);
    try_points(bundle, &[Injury::Kills]);
}

#[test]
fn a_kill_beside_a_user_namespace_leaves_what_delete_removes() {
    // For the owners of a root file system on a tmpfs.
    needs!(root, kernel = 6.3, cgroup = pids);
    try_points(remapped, &[Injury::Kills]);
}
