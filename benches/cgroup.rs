//! What a cgroup costs: lab 07's verbs, as the reference has them, on a group in every hierarchy of this machine.
//!
//! ```sh
//! cargo bench --profile dev --features solutions --bench cgroup
//! ```
//!
//! The time is the kernel's, so nothing is gained by an optimised build. The program that cargo names can be run
//! elsewhere too, in `cargo lab vm`: there the first line of its table tells the other version.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use boxwright::steps::cpu;
use model::cgroup::{LEAF, Version};
use model::plan::Cpu;
use model::{Cgroup, Result};
use nix::unistd::Pid;
use testkit::Shield;

const ROUNDS: usize = 300;

/// µs of each round.
type Micros = Vec<u64>;

fn main() {
    match Shield::new().cgroup().deadline(Duration::from_secs(120)).try_run(|| measure().map_err(|e| e.to_string())) {
        Ok(Ok(table)) => print(&table),
        Ok(Err(error)) => fail(&error),
        Err(failure) => fail(&failure.to_string()),
    }
}

/// Makes a group, limits it, moves a process in and back again, and removes it, time and again.
fn measure() -> Result<String> {
    let parent = Cgroup::open(&testkit::cgroup_dirs())?;
    let version = if parent.version("cpu")? == Version::V1 { "v1" } else { "v2" };
    // Where a process may be: a v2 group that hands controllers down has none of its own.
    let places = parent.paths().into_iter().map(|path| if path.join(LEAF).exists() { path.join(LEAF) } else { path });
    let home = Cgroup::open(&places.collect::<Vec<_>>())?;
    let limits = Cpu { quota_us: Some(50_000), period_us: Some(100_000), shares: Some(512), ..Cpu::default() };
    let mut sleeper = start("sleep", &["1000"]);
    let pid = Pid::from_raw(sleeper.as_mut().map_or(0, |child| child.id().cast_signed()));

    let [mut create, mut limit, mut join, mut remove, mut process] = [const { Micros::new() }; 5];
    for round in 0..ROUNDS {
        let group = timed(&mut create, || cpu::create(&parent, &format!("round-{round}")))?;
        timed(&mut limit, || cpu::limit(&group, &limits))?;
        timed(&mut join, || cpu::join(&group, pid))?;
        cpu::join(&home, pid)?;
        timed(&mut remove, || cpu::remove(&group))?;
        timed(&mut process, || start("true", &[]).and_then(|mut child| child.wait()).is_ok());
    }
    if let Ok(child) = &mut sleeper {
        let _ = child.kill().and_then(|()| child.wait());
    }

    let (major, minor) = testkit::needs::kernel();
    let directories = parent.parts().len();
    let mut table = format!("Linux {major}.{minor}, cgroup {version}, {directories} hierarchies, {ROUNDS} rounds\n");
    table += &format!("{:<28}{:>9}{:>9}\n", "", "median", "90 %");
    for (what, micros) in [
        ("create", create),
        ("limit (3 values)", limit),
        ("join", join),
        ("remove", remove),
        ("for comparison: start `true`", process),
    ] {
        let [median, most] = quantiles(micros);
        table += &format!("{what:<28}{median:>6} µs{most:>6} µs\n");
    }
    Ok(table)
}

fn start(program: &str, arguments: &[&str]) -> io::Result<std::process::Child> {
    Command::new(program).args(arguments).stdin(Stdio::null()).spawn()
}

fn timed<T>(micros: &mut Micros, step: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = step();
    micros.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    value
}

/// The median, and what nine of ten stay under.
fn quantiles(mut micros: Micros) -> [u64; 2] {
    micros.sort_unstable();
    [micros.len() / 2, micros.len() * 9 / 10].map(|at| micros.get(at).copied().unwrap_or_default())
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn print(table: &str) {
    print!("{table}");
}

#[expect(clippy::print_stderr, reason = "nobody else prints it")]
fn fail(error: &str) {
    eprintln!("{error}");
    std::process::exit(1);
}
