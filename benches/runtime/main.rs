//! What a container costs: runbox side by side with runc and crun, and with the least that the kernel asks for.
//!
//! ```sh
//! cargo bench --config .cargo/static.toml --target "$(rustc --print host-tuple)" --features reference,runbox --bench runtime
//! ```
//!
//! `BOXWRIGHT_ROUNDS` says how many rounds, 40 unless told; `BOXWRIGHT_PLOT` where the table is drawn, as an SVG file.
//!
//! As root, with runc, crun and busybox (packages runc, crun, busybox-static). What they keep of their containers is on a tmpfs, as
//! `/run` is. Each round runs every runtime once, one after the
//! other, so that whatever else the machine does meets all of them; first back to back, then with 150 ms of rest before each, as
//! a user meets it. crun refuses a machine with both versions of cgroups: all of this happens in a mount namespace in which v2's
//! directory is hidden there. The table's last column but one is the ratio to crun's median. At the end each runtime has a hundred
//! containers at once, made in turns.

#![allow(unsafe_code, reason = "clone3 and pivot_root, and a process that looks after grandchildren")]

mod plot;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use model::{Cgroup, During, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, chdir, execv, pivot_root, sethostname};
use serde_json::{Value, json};

const REST: Duration = Duration::from_millis(150);
const CROWD: usize = 100;
const NO_DATA: Option<&str> = None;

/// A way to start a container.
struct Peer {
    name: &'static str,
    program: PathBuf,
    /// What the floor is told: its root, and the groups that it is to have.
    args: Vec<PathBuf>,
}

/// Milliseconds of each round, and the largest process of any.
#[derive(Default)]
struct Seen {
    ms: Vec<f64>,
    peak_kb: i64,
}

type Table = BTreeMap<(usize, &'static str, usize), Seen>;

const WAYS: [(&str, Duration); 2] = [("back to back", Duration::ZERO), ("after idle", REST)];
const NAMES: [&str; 4] = ["floor", "runbox", "crun", "runc"];
type Task = fn(&Peer, &Path) -> Result<()>;
const TASKS: [(&str, Task); 2] = [("run", run), ("create+start+delete", live)];

fn main() -> ExitCode {
    let told = match std::env::args().nth(1).as_deref() {
        Some("floor") => floor(&std::env::args().skip(2).map(PathBuf::from).collect::<Vec<_>>()),
        _ => measure().map(|table| print(&table)),
    };
    if let Err(error) = told {
        print(&format!("{error}\n"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "its table is what a benchmark is for")]
fn print(text: &str) {
    print!("{text}");
}

fn measure() -> Result<String> {
    let place = tempfile::tempdir().during("mkdir", "a place for the bundle")?;
    hide_v2(place.path())?;
    bundle(place.path())?;
    let states = place.path().join("states");
    fs::create_dir(&states).during("mkdir", states.display())?;
    mount(Some("tmpfs"), &states, Some("tmpfs"), MsFlags::empty(), NO_DATA).during("mount", states.display())?;
    // Whoever starts a container and ends leaves its first process to us, as to an engine.
    // SAFETY: prctl with this option takes one integer.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }).during("prctl", "PR_SET_CHILD_SUBREAPER")?;
    let rounds = std::env::var("BOXWRIGHT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let groups = Cgroup::base()?.paths().into_iter().map(|base| base.join("floor"));
    let args = [place.path().join("rootfs")].into_iter().chain(groups).collect();
    let own = std::env::current_exe().during("find", "this program")?;
    let peers = [
        Peer { name: "floor", program: own, args },
        Peer { name: "runbox", program: env!("CARGO_BIN_EXE_runbox").into(), args: Vec::new() },
        Peer { name: "crun", program: "crun".into(), args: Vec::new() },
        Peer { name: "runc", program: "runc".into(), args: Vec::new() },
    ];
    let mut table = Table::new();
    for (number, (_, rest)) in WAYS.iter().enumerate() {
        for round in 0..=rounds {
            for (task, (_, carry_out)) in TASKS.iter().enumerate() {
                // The floor is a container's start and no more: there is nothing to delete.
                for peer in peers.iter().filter(|peer| task == 0 || peer.name != "floor") {
                    sleep(*rest);
                    let begun = Instant::now();
                    carry_out(peer, place.path())?;
                    let ms = begun.elapsed().as_secs_f64() * 1000.0;
                    // The first time everything is read from the disk.
                    if round > 0 {
                        let seen = table.entry((number, peer.name, task)).or_default();
                        seen.ms.push(ms);
                        seen.peak_kb = seen.peak_kb.max(peak_kb(peer, place.path())?);
                    }
                }
            }
        }
    }
    let text = text(&mut table, rounds) + &crowd(&peers, place.path())?;
    if let Some(path) = std::env::var_os("BOXWRIGHT_PLOT") {
        let note = text.lines().next().unwrap_or_default();
        let note = format!("{note}: median; least to third quartile");
        fs::write(&path, plot::svg(&panels(&table), &note)).during("write", path.display())?;
    }
    Ok(text)
}

/// What is drawn; every `ms` is sorted by now.
fn panels(table: &Table) -> Vec<plot::Panel> {
    let bar = |name: &'static str, seen: &Seen| plot::Bar {
        name,
        least: seen.ms[0],
        median: seen.ms[seen.ms.len() / 2],
        third_quartile: seen.ms[seen.ms.len() * 3 / 4],
    };
    let panel = |(way, task): (usize, usize)| plot::Panel {
        title: format!("{}, {}", TASKS[task].0, WAYS[way].0),
        bars: NAMES.iter().filter_map(|name| Some(bar(name, table.get(&(way, *name, task))?))).collect(),
    };
    [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().map(panel).collect()
}

/// As [`WAYS`] and [`TASKS`] have them; medians, extremes, ratios.
fn text(table: &mut Table, rounds: usize) -> String {
    let (major, minor) = testkit::needs::kernel();
    let mut text = format!("Linux {major}.{minor}, {rounds} rounds, ms\n");
    for (number, (way, _)) in WAYS.iter().enumerate() {
        for (task, (what, _)) in TASKS.iter().enumerate() {
            text += &format!("{what}, {way:<14} median     min     max  to crun  peak MB\n");
            let crun = table.get_mut(&(number, "crun", task)).map_or(f64::NAN, |seen| median(&mut seen.ms));
            for name in NAMES {
                let Some(seen) = table.get_mut(&(number, name, task)) else { continue };
                let middle = median(&mut seen.ms);
                let (least, most) = (seen.ms[0], seen.ms[seen.ms.len() - 1]);
                let (ratio, mb) = (middle / crun, seen.peak_kb as f64 / 1024.0);
                text += &format!("  {name:<18} {middle:>14.2} {least:>7.2} {most:>7.2} {ratio:>8.2} {mb:>8.1}\n");
            }
        }
    }
    text
}

/// Whether the hundredth container that runs starts as fast as the first: medians of the first ten, and of the last.
fn crowd(peers: &[Peer], place: &Path) -> Result<String> {
    let runtimes = || peers.iter().filter(|peer| peer.name != "floor");
    // Their control groups are named after them.
    let own = |peer: &Peer, number: usize| format!("{}-{number}", peer.name);
    let mut seen: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for number in 0..CROWD {
        for peer in runtimes() {
            let (id, begun) = (own(peer, number), Instant::now());
            call(peer, place, &["create", "--bundle", "waiting", &id])?;
            call(peer, place, &["start", &id])?;
            seen.entry(peer.name).or_default().push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    for number in 0..CROWD {
        for peer in runtimes() {
            let id = own(peer, number);
            call(peer, place, &["kill", &id, "KILL"])?;
            // Whose first process is a zombie of ours still runs, for some.
            waitpid(None, None).during("waitpid", &id)?;
            call(peer, place, &["delete", &id])?;
        }
    }
    let mut text = format!("create+start, while {CROWD} of each come to run      first    last   ratio\n");
    for (name, mut ms) in seen {
        let (last, first) = (median(&mut ms.split_off(CROWD - 10)), median(&mut ms[..10]));
        text += &format!("  {name:<47} {first:>7.2} {last:>7.2} {:>7.2}\n", last / first);
    }
    Ok(text)
}

/// Sorts, and takes the middle one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `run` of `true`.
fn run(peer: &Peer, place: &Path) -> Result<()> {
    if peer.name == "floor" {
        return obey(Command::new(&peer.program).arg("floor").args(&peer.args));
    }
    call(peer, place, &["run", "bench"])
}

/// The whole life of `true`, as an engine has it; its first process is ours to reap.
fn live(peer: &Peer, place: &Path) -> Result<()> {
    let pid_file = place.join("pid");
    call(peer, place, &["create", "--pid-file", &pid_file.display().to_string(), "bench"])?;
    call(peer, place, &["start", "bench"])?;
    let pid = fs::read_to_string(&pid_file).during("read", pid_file.display())?;
    let pid = Pid::from_raw(pid.trim().parse().map_err(io::Error::other).during("read", pid_file.display())?);
    waitpid(pid, None).during("waitpid", pid)?;
    call(peer, place, &["delete", "bench"])
}

fn call(peer: &Peer, place: &Path, args: &[&str]) -> Result<()> {
    let root = place.join("states").join(peer.name);
    obey(Command::new(&peer.program).arg("--root").arg(root).args(args).current_dir(place))
}

fn obey(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().during("start", format_args!("{command:?}"))?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        how => Err(io::Error::other(format!("{how:?}"))).during("run", format_args!("{command:?}")),
    }
}

/// The largest process of one more run: ru_maxrss of a child that waits for it alone.
fn peak_kb(peer: &Peer, place: &Path) -> Result<i64> {
    // Once is enough: it does not vary with the load.
    static KNOWN: std::sync::Mutex<BTreeMap<&str, i64>> = std::sync::Mutex::new(BTreeMap::new());
    if let Some(known) = KNOWN.lock().map_or(None, |known| known.get(peer.name).copied()) {
        return Ok(known);
    }
    // A process of its own that has no other children: it ends with its run.
    // SAFETY: this process has one thread.
    let peak = match unsafe { nix::unistd::fork() }.during("fork", "a look at memory")? {
        nix::unistd::ForkResult::Child => {
            let told = run(peer, place).and_then(|()| {
                let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
                let peak = usage.during("getrusage", "RUSAGE_CHILDREN")?.max_rss();
                fs::write(place.join("peak"), peak.to_string()).during("write", "peak")
            });
            // SAFETY: _exit takes an integer and does not return.
            unsafe { libc::_exit(i32::from(told.is_err())) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            waitpid(child, None).during("waitpid", child)?;
            fs::read_to_string(place.join("peak")).during("read", "peak")?.parse().map_err(io::Error::other)
        }
    };
    let peak = peak.during("read", "peak")?;
    if let Ok(mut known) = KNOWN.lock() {
        known.insert(peer.name, peak);
    }
    Ok(peak)
}

/// Where both versions of cgroups are mounted, crun sees v1 alone, and all the others too.
fn hide_v2(place: &Path) -> Result<()> {
    let unified = Path::new("/sys/fs/cgroup/unified");
    unshare(CloneFlags::CLONE_NEWNS).during("unshare", "CLONE_NEWNS")?;
    mount(NO_DATA, "/", NO_DATA, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NO_DATA).during("mount", "/ private")?;
    if unified.exists() {
        let empty = place.join("empty");
        fs::create_dir(&empty).during("mkdir", empty.display())?;
        mount(Some(&empty), unified, NO_DATA, MsFlags::MS_BIND, NO_DATA).during("mount", unified.display())?;
    }
    Ok(())
}

/// What `runc spec` makes, with `true` for a command and without a terminal; and beside it another, whose command stays.
fn bundle(place: &Path) -> Result<()> {
    let bin = place.join("rootfs/bin");
    fs::create_dir_all(&bin).during("mkdir", bin.display())?;
    for directory in ["proc", "sys", "dev", "etc", "tmp"] {
        fs::create_dir(place.join("rootfs").join(directory)).during("mkdir", directory)?;
    }
    fs::copy("/bin/busybox", bin.join("busybox")).during("copy", "/bin/busybox")?;
    for name in ["true", "sleep"] {
        symlink("busybox", bin.join(name)).during("symlink", name)?;
    }
    obey(Command::new("runc").arg("spec").current_dir(place))?;
    let path = place.join("config.json");
    let mut text = String::new();
    File::open(&path).and_then(|mut file| file.read_to_string(&mut text)).during("read", path.display())?;
    let mut config: Value = serde_json::from_str(&text).map_err(io::Error::from).during("read", path.display())?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/true"]);
    fs::write(&path, config.to_string()).during("write", path.display())?;
    // The same for one that stays.
    let waiting = place.join("waiting");
    fs::create_dir(&waiting).during("mkdir", waiting.display())?;
    config["process"]["args"] = json!(["/bin/sleep", "1000"]);
    config["root"]["path"] = json!(place.join("rootfs"));
    fs::write(waiting.join("config.json"), config.to_string()).during("write", "waiting/config.json")
}

/// The least that such a container is: groups of its own, six namespaces, a root of its own with the default mounts, and the command.
/// `paths` are its root, and the groups that it is to have. Source: clone(2), pivot_root(2), cgroups(7).
fn floor(paths: &[PathBuf]) -> Result<()> {
    let [rootfs, groups @ ..] = paths else { return Ok(()) };
    for group in groups {
        fs::create_dir(group).during("mkdir", group.display())?;
        // A group of v1's cpuset takes nobody in before it has both.
        for knob in ["cpuset.cpus", "cpuset.mems"].map(|knob| group.join(knob)) {
            let of_parent = group.with_file_name(knob.file_name().unwrap_or_default());
            if group.join("tasks").exists() && knob.exists() {
                fs::copy(&of_parent, &knob).during("copy", of_parent.display())?;
            }
        }
    }
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let mut args = libc_clone_args(flags);
    // SAFETY: the structure is numbers alone, and without a stack of its own the child goes on here, as after fork(2); this
    // process has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    if Errno::result(pid).during("clone3", "five namespaces")? == 0 {
        return inside(rootfs, groups).map(|never| match never {});
    }
    let ended = waitpid(Pid::from_raw(pid as i32), None).during("waitpid", pid)?;
    groups.iter().try_for_each(|group| fs::remove_dir(group).during("rmdir", group.display()))?;
    match ended {
        nix::sys::wait::WaitStatus::Exited(_, 0) => Ok(()),
        how => Err(io::Error::other(format!("{how:?}"))).during("run", "the floor"),
    }
}

fn inside(rootfs: &Path, groups: &[PathBuf]) -> Result<Infallible> {
    for group in groups {
        let knob = ["tasks", "cgroup.procs"].map(|knob| group.join(knob)).into_iter().find(|knob| knob.exists());
        let knob = knob.unwrap_or_default();
        fs::write(&knob, "0").during("write", knob.display())?;
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).during("unshare", "CLONE_NEWCGROUP")?;
    mount(NO_DATA, "/", NO_DATA, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NO_DATA).during("mount", "/ private")?;
    mount(Some(rootfs), rootfs, NO_DATA, MsFlags::MS_BIND, NO_DATA).during("mount", rootfs.display())?;
    for (kind, target) in [
        ("proc", "proc"),
        ("sysfs", "sys"),
        ("tmpfs", "dev"),
        ("devpts", "dev/pts"),
        ("tmpfs", "dev/shm"),
        ("mqueue", "dev/mqueue"),
    ] {
        let target = rootfs.join(target);
        if !target.exists() {
            fs::create_dir(&target).during("mkdir", target.display())?;
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        mount(Some(kind), &target, Some(kind), flags, NO_DATA).during("mount", target.display())?;
    }
    let cgroups = rootfs.join("sys/fs/cgroup");
    let bind = |group: &PathBuf, target: &Path| {
        mount(Some(group), target, NO_DATA, MsFlags::MS_BIND, NO_DATA).during("mount", target.display())
    };
    match groups {
        [group] => bind(group, &cgroups)?,
        groups => {
            mount(Some("tmpfs"), &cgroups, Some("tmpfs"), MsFlags::MS_NOSUID, NO_DATA).during("mount", "tmpfs")?;
            for group in groups {
                let hierarchy = group.parent().and_then(Path::file_name).unwrap_or_default();
                let target = cgroups.join(hierarchy);
                fs::create_dir(&target).during("mkdir", target.display())?;
                bind(group, &target)?;
            }
        }
    }
    chdir(rootfs).during("chdir", rootfs.display())?;
    pivot_root(".", ".").during("pivot_root", rootfs.display())?;
    umount2(".", MntFlags::MNT_DETACH).during("umount2", ".")?;
    sethostname("floor").during("sethostname", "floor")?;
    execv(c"/bin/true", &[c"true"]).during("execve", "/bin/true")
}

fn libc_clone_args(flags: CloneFlags) -> libc::clone_args {
    // SAFETY: the structure is numbers alone, for which 0 is a value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.bits().cast_unsigned());
    args.exit_signal = libc::SIGCHLD as u64;
    args
}
