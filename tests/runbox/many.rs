//! Many starts: whatever is done once and left undone again adds up here.
//!
//! `BOXWRIGHT_STARTS` is how many are made one after the other, 200 unless it says so; a quarter of them, at most 200, at once.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Shield, cgroup_dirs, dir, needs};

use crate::bundle::Bundle;

fn starts() -> usize {
    env::var("BOXWRIGHT_STARTS").map_or(200, |text| text.parse().expect("BOXWRIGHT_STARTS: a number"))
}

/// A machine of its own, with time for all of them: a tenth of a second each, and more where it is slow.
fn with_time(body: impl FnOnce()) {
    let deadline = Duration::from_secs(20) + Duration::from_millis(100) * u32::try_from(starts()).expect("fewer");
    Shield::new().cgroup().deadline(deadline).run(body);
}

/// One that is in a cgroup, with limits, and has a mount, a hook and a program that ends at once.
fn bundle() -> Bundle {
    let mut bundle = Bundle::new("exit 7");
    let tmpfs = json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"});
    bundle.config["mounts"].as_array_mut().expect("mounts").push(tmpfs);
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 20}});
    bundle.config["hooks"] = json!({"poststop": [{"path": "/bin/true"}]});
    fs::write(bundle.path.join("config.json"), bundle.config.to_string()).expect("config.json");
    bundle
}

fn start(bundle: &Bundle, number: usize) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbox"));
    command.arg("--root").arg(state()).args(["run", "--bundle"]).arg(&bundle.path).arg(format!("many-{number}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start runbox")
}

#[track_caller]
fn end(child: Child) {
    let output = child.wait_with_output().expect("wait");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(7), ""));
}

fn state() -> PathBuf {
    dir().join("state")
}

/// What a container could leave, by kind and number.
fn left() -> BTreeMap<&'static str, usize> {
    let entries = |path: &Path| fs::read_dir(path).map_or(0, Iterator::count);
    let lines = |path: &str| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let groups = cgroup_dirs().iter().map(|group| directories(group)).sum();
    let is_number = |name: std::ffi::OsString| name.to_string_lossy().parse::<u32>().is_ok();
    let processes =
        fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| is_number(entry.file_name())).count();
    BTreeMap::from([
        ("cgroups", groups),
        ("containers", containers()),
        ("descriptors", entries(Path::new("/proc/self/fd"))),
        ("files beside the bundle", entries(&dir())),
        ("mounts", lines("/proc/self/mountinfo")),
        ("processes", processes),
        ("System V objects", ["msg", "sem", "shm"].map(|kind| lines(&format!("/proc/sysvipc/{kind}"))).iter().sum()),
    ])
}

fn directories(path: &Path) -> usize {
    let below = fs::read_dir(path).expect("a group").flatten().filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
    below.map(|it| 1 + directories(&it.path())).sum()
}

/// Directories below the runtime's own; its lock stays.
fn containers() -> usize {
    fs::read_dir(state()).map_or(0, |all| all.flatten().filter(|it| it.path().is_dir()).count())
}

/// Memory of the kernel's own that is given back late, in KiB, of the whole machine: it is told, not judged.
fn kernel_kib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("/proc");
    let number = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    ["SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:"].iter().filter_map(|name| number(name)).sum()
}

#[expect(clippy::print_stdout, reason = "figures, for whoever asks by --nocapture")]
fn tell(what: &str, count: usize, begun: Instant, kernel_before: u64) {
    let (each, kib) = (begun.elapsed().as_secs_f64() * 1e3 / count as f64, kernel_kib().cast_signed());
    println!("{count} {what}: {each:.1} ms each; memory of the kernel: {:+} KiB", kib - kernel_before.cast_signed());
}

#[test]
fn starts_in_a_row_leave_nothing() {
    needs!(root, cgroup = pids);
    with_time(|| {
        let bundle = bundle();
        // The first makes what stays: the directory of all of them.
        end(start(&bundle, 0));
        let (before, kernel, begun) = (left(), kernel_kib(), Instant::now());
        let mut first = Duration::ZERO;
        for number in 1..=starts() {
            end(start(&bundle, number));
            if number == starts().div_ceil(10) {
                first = begun.elapsed();
            }
        }
        tell("starts in a row", starts(), begun, kernel);
        assert_eq!(left(), before);
        // What piles up somewhere out of sight makes those that come later slow. A busy machine makes some slow: not ten times.
        assert!(begun.elapsed() < first * 100, "the first tenth took {first:?}, all of them {:?}", begun.elapsed());
    });
}

#[test]
fn starts_at_once_leave_nothing() {
    needs!(root, cgroup = pids);
    with_time(|| {
        let (bundle, count) = (bundle(), starts().div_ceil(4).min(200));
        end(start(&bundle, 0));
        let (before, kernel, begun) = (left(), kernel_kib(), Instant::now());
        let children: Vec<_> = (1..=count).map(|number| start(&bundle, number)).collect();
        children.into_iter().for_each(end);
        tell("starts at once", count, begun, kernel);
        assert_eq!(left(), before);
    });
}
