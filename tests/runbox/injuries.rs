//! Every system call of a start, made to fail, and made the last of its process: what is told, and what is left.
//!
//! A plain run takes a few points at random; `BOXWRIGHT_EVERY_CALL=1` takes all of them, one after another.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde_json::{Value, json};
use testkit::injury::{Injury, Operated, Point, operate};
use testkit::{Random, Shield, cgroup_dirs, dir, needs, patience, random_name};

use crate::bundle::{Bundle, runbox};

/// Set, every call of a start is tried.
const EVERY: &str = "BOXWRIGHT_EVERY_CALL";

/// Those that cannot fail: Linux closes and unmaps in any case, brk returns an address, and an end is an end. Source: close(2),
/// brk(2), "NOTES".
const CANNOT_FAIL: [libc::c_long; 6] =
    [libc::SYS_brk, libc::SYS_close, libc::SYS_munmap, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_rt_sigreturn];

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
    let cat = testkit::rootfs::find("true").unwrap();
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
        "startContainer": [{"path": cat}],
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
    command.arg("--root").arg(dir().join("state")).args(["run", "--bundle"]).arg(&bundle.path).arg(&bundle.id);
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
    Ok(Outcome { code: status.code(), err: fs::read_to_string(&err).unwrap_or_default(), operated })
}

/// What is wrong with what came of an injury.
fn judge(bundle: &Bundle, before: &Machine, point: &Point, injury: Injury, is_own: bool) -> Option<String> {
    let mark = bundle.path.join("rootfs/mark");
    let _ = fs::remove_file(&mark);
    let outcome = match run(bundle, Some((point.process, point.index)), injury) {
        Ok(outcome) => outcome,
        Err(why) => {
            let _ = runbox(&["delete", "--force", &bundle.id]);
            return Some(why);
        }
    };
    let said = &outcome.err;
    let wrong = match outcome.code {
        Some(0) if !mark.exists() => Some("exit code 0, and the command was not run"),
        // As if the command had been killed.
        Some(137) if injury == Injury::Kills => None,
        Some(code) if code != 0 && is_own && said.trim().is_empty() => Some("it fails without a word"),
        None if injury != Injury::Kills && is_own && said.trim().is_empty() => {
            Some("it ends by a signal, without a word")
        }
        _ => None,
    };
    let wrong = wrong.map(|what| format!("{what}: {:?} {said:?}", outcome.code));
    let deleted = runbox(&["delete", "--force", &bundle.id]);
    let gone = runbox(&["state", &bundle.id]);
    drop(outcome.operated);
    if deleted.code != 0 || !gone.err.contains("does not exist") {
        return Some(format!("delete --force says {:?}, state {:?} {:?}", deleted.err, gone.out, gone.err));
    }
    let start = Instant::now();
    loop {
        let after = Machine::look();
        match () {
            () if after == *before => return wrong,
            // An orphan's end is its reaper's work.
            () if start.elapsed() > patience(Duration::from_secs(2)) => return Some(left(before, &after)),
            () => sleep(Duration::from_millis(2)),
        }
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

/// Calls before main, which are the loader's and the standard library's: what these say is not ours. The library takes its
/// alternate stack last.
fn before_main(points: &[Point]) -> usize {
    let own = points.iter().filter(|point| point.process == 0);
    own.filter(|point| point.number == libc::SYS_sigaltstack).nth(1).map_or(0, |point| point.index)
}

fn try_points(make: fn() -> Bundle, injuries: &[Injury]) {
    let every = env::var_os(EVERY).is_some();
    let deadline = Duration::from_secs(if every { 3000 } else { 60 });
    Shield::new().cgroup().deadline(deadline).run(|| {
        let bundle = make();
        runbox(&["list"]).ok();
        let before = Machine::look();
        let whole = run(&bundle, None, Injury::Kills).unwrap();
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
        let taken: Vec<_> = if every { all } else { (0..20).map(|_| *random.of(&all)).collect() };
        let mut wrong = Vec::new();
        for (point, injury) in &taken {
            let is_own = point.process != 0 || point.index > main;
            if let Some(what) = judge(&bundle, &Machine::look(), point, *injury, is_own) {
                wrong.push(format!("{point:?} {injury:?}: {what}\n"));
                // The next one begins anew.
                let _ = fs::remove_dir_all(dir().join("state").join(&bundle.id));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {} points, of {} calls:\n{}",
            wrong.len(),
            taken.len(),
            points.len(),
            wrong.concat()
        );
        if every {
            #[expect(clippy::print_stderr, reason = "for whoever asked for all")]
            {
                eprintln!("{} injuries to {} calls", taken.len(), points.len());
            }
        }
    });
}

#[test]
fn a_call_that_fails_is_told_and_leaves_nothing() {
    needs!(root, cgroup = pids);
    try_points(bundle, &[Injury::Fails(Errno::ENOMEM), Injury::Fails(Errno::EPERM)]);
    try_points(remapped, &[Injury::Fails(Errno::ENOMEM)]);
}

#[test]
fn a_kill_at_any_call_leaves_what_delete_removes() {
    needs!(root, cgroup = pids);
    try_points(bundle, &[Injury::Kills]);
    try_points(remapped, &[Injury::Kills]);
}
