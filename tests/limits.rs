//! `stats`, `update`, `pause`, and what becomes of a container's cgroup, from outside, on the reference.
//!
//! Every test runs under a shield with a cgroup of its own, whose audit sees a group or a process that is left.

#![cfg(feature = "solutions")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use model::Cgroup;
use model::cgroup::{LEAF, Version};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use testkit::{Shield, cgroup_dirs, needs, random_name};

const LIMITS: [&str; 6] = ["--cpus", "0.5", "--memory", "64m", "--pids-limit", "20"];

/// A shield with time for a machine that is busy or emulated.
fn patient() -> Shield {
    Shield::new().deadline(Duration::from_secs(120))
}

fn in_cgroup() -> Shield {
    patient().cgroup()
}

fn boxwright(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.args(args).assert()
}

fn started(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("start boxwright")
}

/// Starts `script` as the container `name`, and returns when the container has said something.
fn container(name: &str, flags: &[&str], script: &str) -> Child {
    let script = format!("echo up; {script}");
    let mut child = started(&[&["run", "--name", name], flags, &["--", "sh", "-c", &script]].concat());
    let told = child.stdout.as_mut().expect("piped").read_exact(&mut [0; 3]);
    told.unwrap_or_else(|error| panic!("{name} did not start: {error}: {}", words(child.stderr.take())));
    child
}

fn words(file: Option<impl Read>) -> String {
    let mut text = String::new();
    file.map(|mut file| file.read_to_string(&mut text)).transpose().expect("text");
    text
}

fn end(mut child: Child, how: Signal) -> Option<i32> {
    kill(Pid::from_raw(child.id() as i32), how).expect("kill");
    child.wait().expect("wait").code()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    // An emulated machine takes its time.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "expected within 20 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// The group of the container `name`.
fn group(name: &str) -> Cgroup {
    let group = Cgroup::open(&cgroup_dirs()).and_then(|own| own.child(&format!("boxwright-{name}")));
    group.expect("the container's cgroup")
}

/// A knob by its name on v1 or on v2.
fn knob(group: &Cgroup, v1: &str, v2: &str) -> String {
    group.read(v1).or_else(|_| group.read(v2)).expect("a knob").trim().to_owned()
}

/// Quota and period, memory, memory with swap on v1 and swap on v2, processes.
fn limits(group: &Cgroup) -> [String; 4] {
    let quota = match group.version("cpu").expect("cpu") {
        Version::V1 => ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|name| knob(group, name, name)).join(" "),
        Version::V2 => knob(group, "cpu.max", "cpu.max"),
    };
    let memory = knob(group, "memory.limit_in_bytes", "memory.max");
    // A kernel that does not count swap has no such knob.
    let swap = ["memory.memsw.limit_in_bytes", "memory.swap.max"].into_iter().find_map(|knob| group.read(knob).ok());
    [quota, memory, swap.unwrap_or_default().trim().to_owned(), knob(group, "pids.max", "pids.max")]
}

/// What is left of containers: groups, and names below the state directory.
fn left() -> Vec<PathBuf> {
    let state = std::env::var_os("BOXWRIGHT_ROOT").expect("the shield sets it").into();
    let entries = cgroup_dirs().into_iter().chain([state]).flat_map(|path| fs::read_dir(path).expect("readdir"));
    let paths = entries.map(|entry| entry.expect("readdir").path());
    let is_group = |path: &PathBuf| path.is_dir() && !path.ends_with(LEAF);
    paths.filter(is_group).collect()
}

/// The processes of this shield but its own three: the one that stands for the host is outside.
fn processes() -> BTreeSet<i32> {
    let names = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    pids.filter(|pid| *pid != 1 && *pid != std::process::id() as i32).collect()
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("mountinfo")
}

/// Whether a machine that is emulated, and too slow for all rounds, has done its part.
fn is_enough(begun: Instant, rounds: usize) -> bool {
    rounds >= 20 && begun.elapsed() > Duration::from_secs(15)
}

/// Less than `end`.
fn random(end: Duration) -> Duration {
    let fraction = testkit::random() % 1000;
    end * u32::try_from(fraction).expect("below 1000") / 1000
}

#[test]
fn stats_tells_in_a_table_and_in_json() {
    needs!(cgroup = memory);
    in_cgroup().run(|| {
        let busy = container("busy", &LIMITS, "while :; do :; done");
        let idle = container("idle", &[], "exec sleep 600");
        let json = started(&["stats", "--no-stream", "--format", "json", "busy"]);
        let row = |pattern: &str| predicates::str::is_match(format!("(?m)^{pattern}$")).unwrap();
        let table = boxwright(&["stats", "--no-stream"]).success().stderr(is_empty());
        let number = r"\d+(\.\d+)?";
        let bytes = format!(r"{number}[BKMG]");
        table.stdout(
            starts_with("NAME  CPU %")
                .not()
                .and(starts_with("NAME  "))
                .and(contains("\n").count(3))
                .and(row(&format!(
                    r"busy +{number} +{bytes} / 64\.0M +[#.]{{8}} +{number} +1 / 20 +({bytes} / {bytes}|--)"
                )))
                .and(row(&format!(r"idle +0\.\d +{bytes} / {bytes} +[#.]{{8}} +{number} +1 +({bytes} / {bytes}|--)"))),
        );
        let json = words(json.wait_with_output().expect("wait").stdout.get(..));
        let line: serde_json::Value = serde_json::from_str(&json).expect("one object");
        let number = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name} in {line}"));
        assert_eq!((line["name"].as_str(), number("memory_limit_bytes")), (Some("busy"), f64::from(64 << 20)));
        assert_eq!((number("pids"), number("pids_limit")), (1.0, 20.0));
        assert!(number("cpu_us") > 0.0 && (0.1..70.0).contains(&number("cpu_percent")), "{line}");
        assert!((1.0..f64::from(64 << 20)).contains(&number("memory_bytes")), "{line}");
        end(busy, Signal::SIGTERM);
        end(idle, Signal::SIGTERM);
        boxwright(&["stats", "nobody"])
            .code(1)
            .stdout(is_empty())
            .stderr(starts_with("boxwright: find the running container nobody: ENOENT").and(contains("\n").count(1)));
    });
}

#[test]
fn stats_follows_containers_that_come_and_go() {
    needs!(cgroup = memory);
    in_cgroup().run(|| {
        let mut stats = started(&["stats", "--format", "json"]);
        let mut lines = BufReader::new(stats.stdout.take().expect("piped"));
        let mut next = || {
            let mut line = String::new();
            lines.read_line(&mut line).expect("a line");
            serde_json::from_str::<serde_json::Value>(&line).expect("an object")["name"].as_str().map(str::to_owned)
        };
        let first = container("first", &[], "exec sleep 600");
        assert_eq!(next().as_deref(), Some("first"));
        let mut named = started(&["stats", "first"]);
        let mut table = BufReader::new(named.stdout.take().expect("piped")).lines();
        eventually("its row", || table.next().is_some_and(|row| row.expect("text").starts_with("first ")));
        end(first, Signal::SIGTERM);
        let second = container("second", &[], "exec sleep 600");
        eventually("a line of the second", || next().as_deref() == Some("second"));
        assert!(named.wait().expect("wait").success(), "whom it was asked for has ended");
        drop(lines);
        assert!(stats.wait().expect("wait").success(), "nobody reads any more");
        end(second, Signal::SIGTERM);
    });
}

#[test]
fn stats_writes_over_itself_on_a_terminal_and_ends_with_a_control_c() {
    patient().run(|| {
        // Without a cgroup nothing is known, and that is shown.
        let some = container("some", &[], "exec sleep 600");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).expect("openpty");
        let end_of = || Stdio::from(pair.slave.try_clone().expect("dup"));
        let line = format!("LC_ALL=C.UTF-8 exec setsid -cw {} stats", env!("CARGO_BIN_EXE_boxwright"));
        let mut command = Command::new("sh");
        let mut stats = command.args(["-c", &line]).stdin(end_of()).stdout(end_of()).stderr(end_of()).spawn().unwrap();
        let mut keys = File::from(pair.master);
        let mut shown = String::new();
        while !shown.contains("\x1b[2A\x1b[J") {
            let mut bytes = [0; 4096];
            let count = keys.read(&mut bytes).expect("read");
            shown += std::str::from_utf8(&bytes[..count]).expect("whole characters");
        }
        let row = predicates::str::is_match(r"(?m)^some +-- +-- +-- +-- +--\r$").unwrap();
        assert!(row.eval(&shown), "{shown:?}");
        keys.write_all(b"\x03").expect("type");
        assert_eq!(stats.wait().expect("wait").signal(), Some(Signal::SIGINT as i32));
        end(some, Signal::SIGTERM);
    });
}

#[test]
fn update_changes_what_is_named_and_keeps_the_rest() {
    needs!(cgroup = cpu, cgroup = memory, cgroup = pids);
    in_cgroup().run(|| {
        let some = container("some", &LIMITS, "exec sleep 600");
        let group = group("some");
        let is_v1 = group.version("memory").expect("memory") == Version::V1;
        let has_swap = !limits(&group)[2].is_empty();
        let swap = |with_swap: u64, alone: u64| match has_swap {
            true => (if is_v1 { with_swap } else { with_swap - alone } << 20).to_string(),
            false => String::new(),
        };
        let is = |quota: &str, memory_mb: u64, with_swap_mb: u64, pids: &str| {
            let memory = (memory_mb << 20).to_string();
            assert_eq!(limits(&group), [quota.to_owned(), memory, swap(with_swap_mb, memory_mb), pids.to_owned()]);
        };
        let update =
            |flags: &str| boxwright(&[&["update"], &*flags.split(' ').collect::<Vec<_>>(), &["some"]].concat());
        is("50000 100000", 64, 128, "20");
        // Above memory and swap so far, and below memory alone so far: there v1 has one right order each.
        update("--memory 256m").success().stdout(is_empty()).stderr(is_empty());
        is("50000 100000", 256, 512, "20");
        update("--memory 32m --memory-swap 48m --pids-limit 7").success();
        is("50000 100000", 32, 48, "7");
        // A quota and its period are two knobs on v1, and one on v2.
        update("--cpu-period 200000").success();
        is("50000 200000", 32, 48, "7");
        update("--cpu-quota 30000").success();
        is("30000 200000", 32, 48, "7");
        update("--cpus 1 --cpu-shares 512").success();
        is("100000 100000", 32, 48, "7");
        assert_eq!(knob(&group, "cpu.shares", "cpu.weight"), if is_v1 { "512" } else { "20" });
        update("--cpu-quota -1 --pids-limit 0").success();
        let [quota, .., pids] = limits(&group);
        assert!(["-1 100000", "max 100000"].contains(&&*quota) && pids == "max", "{quota} {pids}");
        end(some, Signal::SIGTERM);
        update("--cpus 1").code(1).stderr(contains("find the running container some"));
    });
}

#[test]
fn update_refuses_what_run_refuses_and_what_the_container_cannot_do_without() {
    needs!(cgroup = cpu, cgroup = memory, cgroup = pids);
    in_cgroup().run(|| {
        // tail keeps a line until it is whole.
        let hold = "(head -c 20m /dev/zero; sleep 600) | tail -n 1";
        let some = container("some", &LIMITS, hold);
        let group = group("some");
        let used = || knob(&group, "memory.usage_in_bytes", "memory.current").parse::<u64>().expect("a number");
        eventually("20 MB are held", || used() > 20 << 20);
        let before = limits(&group);
        let one_line =
            |words: &'static str| starts_with("boxwright: ").and(contains(words)).and(contains("\n").count(1));
        let update =
            |flags: &str| boxwright(&[&["update"], &*flags.split(' ').collect::<Vec<_>>(), &["some"]].concat());
        for (flags, words) in [
            ("--cpus 0", "from 0.01 to"),
            ("--cpu-quota 999", "1000 µs or more"),
            ("--memory 1k", "6m or more"),
            ("--memory 64m --memory-swap 32m", "--memory or more"),
            ("--memory-swap 64m", "used with --memory"),
            ("--cpus 1 --blkio-weight 5000", "10 to 1000"),
        ] {
            update(flags).code(2).stderr(one_line(words));
            assert_eq!(limits(&group), before, "{flags}");
        }
        boxwright(&["update", "some"]).code(2).stderr(contains("--cpus <NUMBER>").and(contains("--pids-limit")));
        // The processor's turn comes before that of memory, which is refused: it gets back what it had.
        update("--cpus 1 --memory 6m").code(1).stderr(one_line("the container needs more by now"));
        assert_eq!(limits(&group), before);
        assert!(used() > 20 << 20, "a process of the container was ended");
        end(some, Signal::SIGTERM);
    });
}

#[test]
fn a_paused_container_goes_on_or_ends() {
    needs!(cgroup = freezer);
    in_cgroup().run(|| {
        let some = container("some", &[], "exec sleep 600");
        for _ in 0..2 {
            boxwright(&["pause", "some"]).success().stdout(is_empty()).stderr(is_empty());
        }
        let group = group("some");
        let freezer = group.part("freezer").expect("freezer");
        let is_frozen = || match freezer.version() {
            Version::V1 => freezer.read("freezer.state").expect("state").trim() == "FROZEN",
            Version::V2 => freezer.read("cgroup.events").expect("events").contains("frozen 1"),
        };
        assert!(is_frozen());
        for _ in 0..2 {
            boxwright(&["unpause", "some"]).success().stdout(is_empty()).stderr(is_empty());
        }
        assert!(!is_frozen());
        boxwright(&["pause", "some"]).success();
        // A signal that asks for its end, and one to boxwright that nobody can see coming.
        assert_eq!(end(some, Signal::SIGTERM), Some(137));
        assert_eq!(left(), Vec::<PathBuf>::new());
        for flags in [&[][..], &["--init"], &["-t"]] {
            let killed = container("killed", flags, "sleep 600 & exec sleep 600");
            boxwright(&["pause", "killed"]).success();
            end(killed, Signal::SIGKILL);
            boxwright(&["ps"]).success().stdout(contains("\n").count(1)).stderr(contains("swept killed"));
            assert_eq!(left(), Vec::<PathBuf>::new(), "{flags:?}");
            eventually("no process is left", || processes().is_empty());
        }
    });
}

#[test]
fn what_cannot_be_paused_says_how_to_get_what_it_takes() {
    patient().run(|| {
        let some = container("some", &[], "exec sleep 600");
        let how = starts_with("boxwright: ").and(contains("freezer")).and(contains("-p Delegate=yes"));
        boxwright(&["pause", "some"]).code(1).stderr(how.and(contains("\n").count(1)));
        end(some, Signal::SIGTERM);
    });
}

#[test]
fn two_hundred_containers_leave_nothing() {
    needs!(cgroup = cpu, cgroup = memory, cgroup = pids);
    in_cgroup().run(|| {
        let (before, begun) = (mounts(), Instant::now());
        for batch in 0..20 {
            if is_enough(begun, batch * 10) {
                break;
            }
            let name = |number| format!("box-{batch}-{number}");
            let run = |number| started(&[&["run", "--name", &name(number)], &LIMITS[..], &["true"]].concat());
            for child in (0..10).map(run).collect::<Vec<_>>() {
                let output = child.wait_with_output().expect("wait");
                assert_eq!((output.status.code(), words(output.stderr.get(..))), (Some(0), String::new()));
            }
        }
        assert_eq!((left(), processes(), mounts()), (Vec::new(), BTreeSet::new(), before));
    });
}

#[test]
fn whenever_boxwright_is_killed_the_next_one_names_and_removes_what_is_left() {
    needs!(cgroup = cpu, cgroup = memory, cgroup = pids);
    in_cgroup().run(|| {
        let before = mounts();
        let begun = Instant::now();
        boxwright(&[&["run"], &LIMITS[..], &["true"]].concat()).success();
        let whole = begun.elapsed();
        for round in 0..36 {
            if is_enough(begun, round) {
                break;
            }
            let name = format!("round-{round}");
            let flags: &[&str] = [&[][..], &["--init"], &["--rootfs", "host"], &["-t"]][round % 4];
            let command = [&["run", "--name", &name], &LIMITS[..], flags, &["sleep", "600"]].concat();
            let child = started(&command);
            let delay = random(whole.mul_f32(1.3));
            sleep(delay);
            end(child, Signal::SIGKILL);
            let state = PathBuf::from(std::env::var_os("BOXWRIGHT_ROOT").expect("set")).join(&name);
            let was_there = state.exists();
            // At once, while what is left may still be dying; and again, when that is over.
            let next = || words(boxwright(&["ps"]).success().get_output().stderr.get(..));
            let mut told = next();
            let context = format!("{command:?} killed after {delay:?}, told: {told}");
            let deadline = Instant::now() + Duration::from_secs(20);
            while !processes().is_empty() {
                assert!(Instant::now() < deadline, "{:?} lives on: {context}", processes());
                sleep(Duration::from_millis(1));
            }
            told += &next();
            let named = format!("boxwright: swept {name}: the boxwright that ran it was killed\n");
            assert_eq!(told, if was_there { named } else { String::new() }, "{context}");
            assert_eq!((left(), mounts()), (Vec::new(), before.clone()), "{context}");
        }
    });
}

#[test]
fn a_group_of_the_same_name_is_anothers() {
    needs!(cgroup = cpu);
    in_cgroup().run(|| {
        let name = random_name("twin");
        let first = container(&name, &["--cpus", "0.5"], "exec sleep 600");
        let other = testkit::dir().join("other");
        let root = other.to_str().expect("text");
        let refused = boxwright(&["--root", root, "run", "--name", &name, "--cpus", "0.5", "true"]).code(125);
        refused.stderr(contains("another container's cgroup").and(contains("\n").count(1)));
        assert!(!other.join(&name).exists());
        // One that was killed after it had said which groups it was going to make.
        let announce = |name: &str, groups: &[PathBuf]| {
            fs::create_dir_all(other.join(name)).expect("mkdir");
            let noted = groups.iter().map(|path| serde_json::json!({ "path": path, "inode": null }));
            let text = serde_json::Value::from_iter(noted).to_string();
            fs::write(other.join(name).join("cgroup.json"), text).expect("write");
        };
        announce(&name, &group(&name).paths());
        let half: Vec<_> = cgroup_dirs().iter().map(|path| path.join("boxwright-half")).collect();
        fs::create_dir(&half[0]).expect("mkdir");
        announce("half", &half);
        let swept = boxwright(&["--root", root, "ps"]).success();
        swept.stderr(contains(format!("swept {name}:")).and(contains("swept half:")));
        assert!(!half[0].exists() && group(&name).processes().is_ok_and(|pids| !pids.is_empty()));
        boxwright(&["ps"]).stdout(contains(&name)).stderr(is_empty());
        end(first, Signal::SIGTERM);
    });
}

#[test]
fn limits_hold_with_the_hosts_root_and_without() {
    needs!(cgroup = cpu, cgroup = memory, cgroup = pids);
    in_cgroup().run(|| {
        // One root from the host is enough: an emulated machine takes a minute to build it.
        for flags in [&[][..], &["--init"], &["-t", "--rootfs", "host", "--read-only"]] {
            let name = random_name("box");
            // A fork more than may be ends the shell that wanted it.
            let bomb = "(for i in 1 2 3 4 5 6 7; do sleep 600 & done); exec sleep 600";
            let limits = ["--memory", "32m", "--cpus", "0.25", "--pids-limit", "6"];
            let child = container(&name, &[&limits, flags].concat(), bomb);
            let group = group(&name);
            let refused = || group.read("pids.events").expect("pids").trim() == "max 1";
            eventually("one fork too many", refused);
            let [quota, memory, ..] = self::limits(&group);
            assert_eq!((quota, memory), ("25000 100000".to_owned(), (32 << 20).to_string()), "{flags:?}");
            end(child, Signal::SIGTERM);
            assert_eq!(left(), Vec::<PathBuf>::new(), "{flags:?}");
        }
    });
}

#[test]
fn a_group_ends_as_a_whole() {
    needs!(cgroup = cpu);
    in_cgroup().run(|| {
        let some = container("some", &["--cpus", "1"], "setsid sleep 600 & exec sleep 600");
        // Put there by somebody from outside: no PID 1 takes it along.
        let mut guest = Command::new("sleep").arg("600").spawn().expect("sleep");
        for part in group("some").parts() {
            part.write("cgroup.procs", guest.id()).expect("join");
        }
        end(some, Signal::SIGTERM);
        assert_eq!(guest.wait().expect("wait").code(), None, "it was not killed");
        assert_eq!((left(), processes()), (Vec::new(), BTreeSet::new()));
    });
}

#[test]
fn without_a_cgroup_a_limit_is_refused_in_a_line_that_says_how_to_get_one() {
    needs!(subuid);
    patient().as_user().run(|| {
        for (flag, value, controller) in [
            ("--memory", "64m", "controller memory "),
            ("--cpus", "0.5", "controller cpu"),
            ("--cpuset-cpus", "0", "controller cpu"),
            ("--pids-limit", "20", "controller pids "),
            ("--blkio-weight", "100", "controller io "),
        ] {
            let how = contains(controller).and(contains("systemd-run --user --scope -p Delegate=yes"));
            let refused = boxwright(&["run", "--rootfs", "host", flag, value, "true"]).code(125).stdout(is_empty());
            refused.stderr(starts_with("boxwright: ").and(how).and(contains("\n").count(1)));
            assert_eq!(left(), Vec::<PathBuf>::new());
        }
        boxwright(&["run", "--", "sh", "-c", "echo ran"]).success().stdout("ran\n").stderr(is_empty());
    });
}
